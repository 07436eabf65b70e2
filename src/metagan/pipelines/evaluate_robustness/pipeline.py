from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.evaluate_robustness.nodes import evaluate, metrics, summarise


def create_pipeline() -> Pipeline:
    """Bank and classifiers -> accuracy without and under attack, pictures, and the same for MLflow and DVC."""
    return Pipeline(
        [
            node(
                evaluate,
                ["task_bank", "classifier", "natural_classifier", "params:robustness", "params:seed"],
                ["robustness", "robustness_pictures"],
                name="evaluate_robustness",
            ),
            node(metrics, "robustness", "robustness_metrics", name="log_robustness_metrics"),
            node(summarise, "robustness", "robustness_summary", name="summarise_robustness"),
        ]
    )
