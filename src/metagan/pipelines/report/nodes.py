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
    joint_history: pd.DataFrame,
    data_card: dict[str, Any],
    embedder_metrics: dict[str, dict[str, float]],
    robustness_results: dict[str, Any],
    robustness_pictures: dict[str, NDArray[np.generic]],
    title: str,
    **parameters: Any,
) -> str:
    """One self-contained HTML page; `parameters` are the sections of the configuration that it shows."""
    embedders = {f"{role} embedder": values["seconds"] for role, values in embedder_metrics.items()}
    classifiers = {
        "natural classifier" if model["adversary"] == "none" else "classifier": model["seconds"]["meta_train"]
        for model in robustness_results["models"]
    }
    return build_report(
        generation,
        pictures,
        training_history,
        parameters,
        data_card,
        embedder_metrics,
        embedders | generation["seconds"] | classifiers,
        title,
        robustness=robustness_results,
        robustness_pictures=robustness_pictures,
        joint_history=joint_history,
    )
