from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.compare_rules.nodes import compare, compare_elsewhere, train_rules


def create_pipeline() -> Pipeline:
    """Rules trained from random networks and from the meta-learned start, beside tuned fixed ones, as they were trained
    and elsewhere; and a page."""
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
                "rules_as_trained",
                name="compare_rules",
            ),
            node(
                compare_elsewhere,
                [
                    *models,
                    "meta_model",
                    "learned_rules",
                    "rules_as_trained",
                    *settings,
                    "params:tasks",
                    "params:embedder",
                    "params:seed",
                    "raw_folder",
                ],
                ["rules", "rules_page"],
                name="compare_rules_elsewhere",
            ),
        ]
    )
