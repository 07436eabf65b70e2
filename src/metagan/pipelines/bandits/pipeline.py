from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.bandits.nodes import compare


def create_pipeline() -> Pipeline:
    """RL² on bandits and tabular MDPs, beside policies that are known: a table, and a page with the curves."""
    return Pipeline(
        [
            node(
                compare,
                ["params:bandits", "params:seed", "checkpoint_folder"],
                ["bandits", "bandits_page"],
                name="compare_policies",
            )
        ]
    )
