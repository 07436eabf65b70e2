from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.evaluate_text.nodes import draw, evaluate, metrics


def create_pipeline() -> Pipeline:
    """Bank and meta-model -> words of unseen classes beside those of n-gram models: table, page and curve."""
    return Pipeline(
        [
            node(
                evaluate,
                ["task_bank", "meta_model", "params:text", "params:meta_train", "params:seed"],
                "word_lists",
                name="evaluate_text",
            ),
            node(draw, "word_lists", ["word_curve", "word_page"], name="draw_word_lists"),
            node(metrics, "word_lists", "word_metrics", name="log_word_metrics"),
        ]
    )
