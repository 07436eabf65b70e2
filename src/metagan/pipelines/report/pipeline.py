from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.report.nodes import write_report


def create_pipeline() -> Pipeline:
    """Results -> report.html."""
    results = ["generation", "pictures", "training_history", "data_card", "embedder_metrics"]
    sections = ["seed", "tasks", "embedder", "meta_train", "evaluate"]
    return Pipeline(
        [
            node(
                write_report,
                {name: name for name in results}
                | {"title": "params:report.title"}
                | {section: f"params:{section}" for section in sections},
                "report",
                name="report",
            )
        ]
    )
