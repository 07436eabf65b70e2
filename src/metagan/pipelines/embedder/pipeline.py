from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.embedder.nodes import measure, train

ROLES = ("evaluation", "objective", "judge")


def create_pipeline() -> Pipeline:
    """Task bank -> the embedders of evaluation, outer objective and two-sample test, and how well they recognise."""
    return Pipeline(
        [
            *(
                node(
                    train,
                    ["task_bank", f"params:embedder.{role}", "params:seed"],
                    f"{role}_embedder",
                    name=f"train_{role}_embedder",
                )
                for role in ROLES
            ),
            node(
                measure,
                ["task_bank", *(f"{role}_embedder" for role in ROLES), "params:embedder", "params:seed"],
                "embedder_metrics",
                name="measure_embedders",
            ),
        ]
    )
