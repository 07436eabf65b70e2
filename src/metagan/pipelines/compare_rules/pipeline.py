from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.compare_rules.nodes import compare, train_rules


def create_pipeline() -> Pipeline:
    """Rules trained from random networks and from the meta-learned start, beside tuned fixed ones; and a page."""
    models = ["task_bank", "evaluation_embedder"]
    settings = ["params:meta_train", "params:compare_rules"]
    return Pipeline(
        [
            node(
                train_rules,
                [
                    *models,
                    "objective_embedder",
                    "meta_model",
                    *settings,
                    "params:trainer",
                    "params:seed",
                    "checkpoint_folder",
                ],
                "learned_rules",
                name="train_rules",
            ),
            node(
                compare,
                [*models, "meta_model", "learned_rules", *settings, "params:seed"],
                ["rules", "rules_page"],
                name="compare_rules",
            ),
        ]
    )
