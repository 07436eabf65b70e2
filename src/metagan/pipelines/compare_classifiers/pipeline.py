from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.compare_classifiers.nodes import compare


def create_pipeline() -> Pipeline:
    """Task bank -> a table and a page of the methods that the configuration names."""
    return Pipeline(
        [
            node(
                compare,
                [
                    "task_bank",
                    "params:classifier",
                    "params:compare_classifiers",
                    "params:robustness",
                    "params:trainer",
                    "params:seed",
                    "checkpoint_folder",
                ],
                ["classifier_table", "classifier_page"],
                name="compare_classifiers",
            )
        ]
    )
