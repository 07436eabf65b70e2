from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.report.nodes import report


def create_pipeline() -> Pipeline:
    """Results -> report.html."""
    return Pipeline(
        [
            node(
                report,
                ["generation", "pictures", "training_history", "data_card", "embedder_metrics", "parameters"],
                "report",
                name="report",
            )
        ]
    )
