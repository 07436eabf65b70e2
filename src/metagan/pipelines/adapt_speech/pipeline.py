from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.lock import WRITES_ADAPTATION
from metagan.pipelines.adapt_speech.nodes import adapt, generator_candidate, metrics


def create_pipeline() -> Pipeline:
    """Trained meta-model and a folder of recordings -> a generator of the word, new recordings, a table, a picture."""
    return Pipeline(
        [
            node(
                adapt,
                ["meta_model", "evaluation_embedder", "task_bank", "params:adapt", "params:seed"],
                ["adapted_speech_generator", "adapted_recordings", "adapted_speech", "adapted_speech_picture"],
                name="adapt_speech",
            ),
            node(
                generator_candidate,
                ["adapted_speech_generator", "adapted_speech", "evaluation_embedder", "params:adapt"],
                "registered_adapted_speech_generator",
                name="register_adapted_speech_generator",
            ),
            node(metrics, "adapted_speech", "adapted_speech_metrics", name="log_adapted_speech_metrics"),
        ],
        tags=WRITES_ADAPTATION,
    )
