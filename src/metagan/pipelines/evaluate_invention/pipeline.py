from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.evaluate_invention.nodes import (
    gallery,
    measure_invention,
    measure_rounds,
    measure_use,
    metrics,
)


def create_pipeline() -> Pipeline:
    """Invented classes -> whether they are new, consistent, diverse, learnable and useful, and a page to look at."""
    models = ["meta_model", "joint_gan", "objective_embedder", "judge_embedder"]
    return Pipeline(
        [
            node(
                measure_invention,
                [
                    "task_bank",
                    "invented_bank",
                    "invented_classes",
                    "inventions",
                    "meta_model",
                    "evaluation_embedder",
                    "params:invent",
                    "params:seed",
                ],
                "invention",
                name="measure_invention",
            ),
            node(measure_use, ["task_bank", *models, "params:invent"], "invention_use", name="measure_use"),
            node(measure_rounds, ["task_bank", *models, "params:invent"], "invention_rounds", name="measure_rounds"),
            node(
                gallery,
                [
                    "task_bank",
                    "invented_bank",
                    "invented_classes",
                    "invention",
                    "invention_use",
                    "invention_rounds",
                ],
                "invention_gallery",
                name="draw_gallery",
            ),
            node(
                metrics,
                ["invention", "invention_use", "invention_rounds"],
                "invention_metrics",
                name="log_invention_metrics",
            ),
        ]
    )
