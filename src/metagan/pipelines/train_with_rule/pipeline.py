from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.train_with_rule.nodes import compare, train, tune


def create_pipeline() -> Pipeline:
    """A controller of whole GAN trainings, beside the best fixed schedule, from good settings and wrong ones."""
    settings = ["params:train_with_rule", "params:seed"]
    return Pipeline(
        [
            node(
                tune,
                ["task_bank", "evaluation_embedder", *settings],
                "tuned_schedule",
                name="tune_schedule",
            ),
            node(
                train,
                ["task_bank", "objective_embedder", *settings, "checkpoint_folder"],
                ["training_controller", "controller_history"],
                name="train_controller",
            ),
            node(
                compare,
                [
                    "task_bank",
                    "evaluation_embedder",
                    "training_controller",
                    "controller_history",
                    "tuned_schedule",
                    *settings,
                ],
                ["whole_training", "whole_training_page"],
                name="train_with_rule",
            ),
        ]
    )
