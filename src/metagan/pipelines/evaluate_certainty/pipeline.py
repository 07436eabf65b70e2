from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.evaluate_certainty.nodes import evaluate, metrics


def create_pipeline() -> Pipeline:
    """Bank and classifiers -> how sure they are and how right, and the same for MLflow."""
    return Pipeline(
        [
            node(
                evaluate,
                ["task_bank", "classifier", "natural_classifier", "params:certainty", "params:seed"],
                "certainty",
                name="evaluate_certainty",
            ),
            node(metrics, "certainty", "certainty_metrics", name="log_certainty_metrics"),
        ]
    )
