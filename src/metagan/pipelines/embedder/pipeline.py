from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.embedder.nodes import measure, train


def create_pipeline() -> Pipeline:
    """Task bank -> the evaluation's embedder, the outer objective's embedder, and how well they recognise."""
    return Pipeline(
        [
            *(
                node(
                    train,
                    ["task_bank", f"params:embedder.{role}", "params:seed"],
                    f"{role}_embedder",
                    name=f"train_{role}_embedder",
                )
                for role in ("evaluation", "objective")
            ),
            node(
                measure,
                ["task_bank", "evaluation_embedder", "objective_embedder", "params:embedder", "params:seed"],
                "embedder_metrics",
                name="measure_embedders",
            ),
        ]
    )
