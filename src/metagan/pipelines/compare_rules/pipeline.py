from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.compare_rules.nodes import compare


def create_pipeline() -> Pipeline:
    """Meta-model -> its update rule beside tuned fixed rules, from a random and from the meta-learned start."""
    return Pipeline(
        [
            node(
                compare,
                [
                    "task_bank",
                    "evaluation_embedder",
                    "meta_model",
                    "params:meta_train",
                    "params:compare_rules",
                    "params:seed",
                ],
                "rules",
                name="compare_rules",
            )
        ]
    )
