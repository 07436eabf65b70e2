from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.evaluate.nodes import evaluate, metrics


def create_pipeline() -> Pipeline:
    """Bank, embedder and trained networks -> the table of all arms, pictures, and the same table as MLflow metrics."""
    return Pipeline(
        [
            node(
                evaluate,
                [
                    "task_bank",
                    "evaluation_embedder",
                    "embedder_metrics",
                    "meta_model",
                    "joint_gan",
                    "params:evaluate",
                    "params:meta_train",
                    "params:seed",
                ],
                ["generation", "pictures"],
                name="evaluate",
            ),
            node(metrics, "generation", "generation_metrics", name="log_metrics"),
        ]
    )
