from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.classifier.nodes import classifier_candidate, train, train_natural_twin


def create_pipeline() -> Pipeline:
    """Task bank -> a few-shot classifier, its natural twin, and both training histories."""
    given = ["task_bank", "params:classifier", "params:trainer", "params:seed", "checkpoint_folder"]
    return Pipeline(
        [
            node(train, given, ["classifier", "classifier_history"], name="train_classifier"),
            node(
                classifier_candidate,
                ["classifier", "classifier_history", "task_bank"],
                "registered_classifier",
                name="register_classifier",
            ),
            node(
                train_natural_twin,
                given,
                ["natural_classifier", "natural_classifier_history"],
                name="train_natural_classifier",
            ),
        ]
    )
