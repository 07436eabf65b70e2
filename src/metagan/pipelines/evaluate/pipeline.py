from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.evaluate.nodes import by_step, evaluate, metrics, summarise


def create_pipeline() -> Pipeline:
    """Bank, embedders and trained networks -> the table of all arms, pictures; the same table for MLflow and DVC."""
    return Pipeline(
        [
            node(
                evaluate,
                [
                    "task_bank",
                    "evaluation_embedder",
                    "judge_embedder",
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
            node(by_step, "generation", "generation_by_step", name="generation_by_step"),
            node(summarise, "generation", "generation_summary", name="summarise_generation"),
        ]
    )
