from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.evaluate_speech.nodes import evaluate, listen, metrics


def create_pipeline() -> Pipeline:
    """A bank of speech and the trained model -> a table beside plain baselines, and a page to listen to."""
    settings = ["params:evaluate", "params:evaluate_speech", "params:meta_train", "params:seed"]
    return Pipeline(
        [
            node(
                evaluate,
                ["task_bank", "evaluation_embedder", "judge_embedder", "meta_model", *settings],
                "speech",
                name="evaluate_speech",
            ),
            node(
                listen,
                ["task_bank", "meta_model", "params:tasks", *settings, "raw_folder"],
                ["listening_page", "sound_checks"],
                name="make_listening_page",
            ),
            node(metrics, ["speech", "sound_checks"], "speech_metrics", name="log_speech_metrics"),
        ]
    )
