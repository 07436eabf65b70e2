from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.lock import WRITES_ADAPTATION
from metagan.pipelines.adapt.nodes import adapt, draw, generator_candidate, metrics


def create_pipeline() -> Pipeline:
    """Trained meta-model and a folder of pictures -> a generator of that one thing, a table, and samples to look at."""
    return Pipeline(
        [
            node(
                adapt,
                ["meta_model", "evaluation_embedder", "task_bank", "params:adapt", "params:seed"],
                ["adapted_generator", "adaptation", "adaptation_images"],
                name="adapt",
            ),
            node(
                draw,
                ["adaptation_images", "adaptation"],
                [
                    "adapted_samples",
                    "adapted_samples_full_size",
                    "adapted_grid",
                    "adapted_spread",
                    "adaptation_frames",
                ],
                name="draw_adapted",
            ),
            node(
                generator_candidate,
                ["adapted_generator", "adaptation", "evaluation_embedder", "params:adapt"],
                "registered_adapted_generator",
                name="register_adapted_generator",
            ),
            node(metrics, "adaptation", "adaptation_metrics", name="log_adaptation_metrics"),
        ],
        tags=WRITES_ADAPTATION,
    )
