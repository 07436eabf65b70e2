from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.lock import WRITES_ADAPTATION
from metagan.pipelines.augment.nodes import augment, metrics


def create_pipeline() -> Pipeline:
    """Trained meta-model and a folder of class folders -> the same folder of samples, and whether they help."""
    return Pipeline(
        [
            node(
                augment,
                [
                    "meta_model",
                    "evaluation_embedder",
                    "task_bank",
                    "augmented_folder",
                    "params:augment",
                    "params:seed",
                ],
                ["augmentation", "augmentation_grid"],
                name="augment",
            ),
            node(metrics, "augmentation", "augmentation_metrics", name="log_augmentation_metrics"),
        ],
        tags=WRITES_ADAPTATION,
    )
