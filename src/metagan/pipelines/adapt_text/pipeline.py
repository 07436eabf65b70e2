from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.lock import WRITES_ADAPTATION
from metagan.pipelines.adapt_text.nodes import adapt, metrics


def create_pipeline() -> Pipeline:
    """Trained meta-model and a person's lines -> as many new ones, and a small table."""
    return Pipeline(
        [
            node(
                adapt,
                ["meta_model", "task_bank", "params:adapt", "params:seed"],
                ["adapted_lines", "adapted_words"],
                name="adapt_text",
            ),
            node(metrics, "adapted_words", "adapted_words_metrics", name="log_adapted_words_metrics"),
        ],
        tags=WRITES_ADAPTATION,
    )
