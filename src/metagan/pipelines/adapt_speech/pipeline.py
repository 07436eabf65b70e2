from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.lock import WRITES_ADAPTATION
from metagan.pipelines.adapt_speech.nodes import adapt, metrics


def create_pipeline() -> Pipeline:
    """Trained meta-model and a folder of recordings -> new recordings of that one word, a table, and a picture."""
    return Pipeline(
        [
            node(
                adapt,
                ["meta_model", "evaluation_embedder", "task_bank", "params:adapt", "params:seed"],
                ["adapted_recordings", "adapted_speech", "adapted_speech_picture"],
                name="adapt_speech",
            ),
            node(metrics, "adapted_speech", "adapted_speech_metrics", name="log_adapted_speech_metrics"),
        ],
        tags=WRITES_ADAPTATION,
    )
