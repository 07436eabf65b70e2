from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.report.nodes import draw_samples, write_report


def create_pipeline() -> Pipeline:
    """Results -> a picture of samples, and report.html."""
    results = ["generation", "pictures", "training_history", "joint_history", "data_card", "embedder_metrics"]
    results += ["robustness_pictures"]
    sections = ["seed", "tasks", "embedder", "meta_train", "evaluate", "classifier", "robustness"]
    return Pipeline(
        [
            node(draw_samples, ["generation", "pictures"], "samples", name="draw_samples"),
            node(
                write_report,
                {name: name for name in results}
                | {"robustness_results": "robustness", "title": "params:report.title"}
                | {section: f"params:{section}" for section in sections},
                "report",
                name="write_report",
            ),
        ]
    )
