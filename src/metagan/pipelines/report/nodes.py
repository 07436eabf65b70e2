"""Nodes that draw and write what a person reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from metagan.reporting.figures import adaptation_picture
from metagan.reporting.report import build_report


def draw_samples(generation: dict[str, Any], pictures: dict[str, NDArray[np.uint8]]) -> Image.Image:
    """Support images, adapted samples after some steps, and real images of unseen classes, side by side."""
    return adaptation_picture(pictures, generation["steps"], on_paper=generation["source"] != "image_folder")


def write_report(
    generation: dict[str, Any],
    pictures: dict[str, NDArray[np.uint8]],
    training_history: pd.DataFrame,
    data_card: dict[str, Any],
    embedder_metrics: dict[str, dict[str, float]],
    title: str,
    **parameters: Any,
) -> str:
    """One self-contained HTML page; `parameters` are the sections of the configuration that it shows."""
    embedders = {f"{role} embedder": values["seconds"] for role, values in embedder_metrics.items()}
    return build_report(
        generation,
        pictures,
        training_history,
        parameters,
        data_card,
        embedder_metrics,
        embedders | generation["seconds"],
        title,
    )
