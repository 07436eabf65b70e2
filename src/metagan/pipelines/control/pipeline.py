from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.control.nodes import compare


def create_pipeline() -> Pipeline:
    """RL² and MAML with policy gradients where a point is to find a goal: a table, and a page with curves and walks."""
    return Pipeline(
        [
            node(
                compare,
                ["params:control", "params:seed", "checkpoint_folder"],
                ["control", "control_page"],
                name="compare_control",
            )
        ]
    )
