"""Nodes that draw and write what a person reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from metagan.identity import history_of, made_from, together, without_origin
from metagan.reporting.figures import adaptation_picture
from metagan.reporting.generation import example_of
from metagan.reporting.report import build_report


def draw_samples(generation: dict[str, Any], pictures: dict[str, NDArray[np.generic]]) -> Image.Image:
    """Support images, adapted samples after some steps, and real images of unseen classes, side by side."""
    together("draw_samples", generation=made_from("generation", generation), pictures=made_from("pictures", pictures))
    pictures = without_origin(pictures)
    return adaptation_picture(pictures, generation["steps"], example_of(generation))


def write_report(
    generation: dict[str, Any],
    pictures: dict[str, NDArray[np.generic]],
    training_history: pd.DataFrame,
    joint_history: pd.DataFrame,
    data_card: dict[str, Any],
    embedder_metrics: dict[str, Any],
    robustness_results: dict[str, Any],
    robustness_pictures: dict[str, NDArray[np.generic]],
    title: str,
    **parameters: Any,
) -> str:
    """One self-contained HTML page; `parameters` are the sections of the configuration that it shows."""
    origin = together(
        "report",
        data_card={"task_bank": data_card["content_hash"]},
        embedder_metrics=made_from("embedder_metrics", embedder_metrics),
        training_history=history_of("meta_model", training_history["weights"]),
        joint_history=history_of("joint_gan", joint_history["weights"]),
        generation=made_from("generation", generation),
        pictures=made_from("pictures", pictures),
        robustness=made_from("robustness", robustness_results),
        robustness_pictures=made_from("robustness_pictures", robustness_pictures),
    )
    embedder_metrics = without_origin(embedder_metrics)
    embedders = {f"{role} embedder": values["seconds"] for role, values in embedder_metrics.items()}
    classifiers = {
        "natural classifier" if model["adversary"] == "none" else "classifier": model["seconds"]["meta_train"]
        for model in robustness_results["models"]
    }
    return build_report(
        generation,
        without_origin(pictures),
        training_history,
        parameters,
        data_card | {"made_from": origin},
        embedder_metrics,
        embedders | generation["seconds"] | classifiers,
        title,
        robustness=robustness_results,
        robustness_pictures=without_origin(robustness_pictures) or None,
        joint_history=joint_history,
    )
