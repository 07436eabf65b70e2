from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.lock import WRITES_ADAPTATION
from metagan.pipelines.adapt_text.nodes import adapt, generator_candidate, metrics


def create_pipeline() -> Pipeline:
    """Trained meta-model and a person's lines -> a generator of such, as many new ones, and a small table."""
    return Pipeline(
        [
            node(
                adapt,
                ["meta_model", "evaluation_embedder", "task_bank", "params:adapt", "params:seed"],
                ["adapted_text_generator", "adapted_lines", "adapted_words"],
                name="adapt_text",
            ),
            node(
                generator_candidate,
                ["adapted_text_generator", "adapted_words", "evaluation_embedder", "params:adapt"],
                "registered_adapted_text_generator",
                name="register_adapted_text_generator",
            ),
            node(metrics, "adapted_words", "adapted_words_metrics", name="log_adapted_words_metrics"),
        ],
        tags=WRITES_ADAPTATION,
    )
