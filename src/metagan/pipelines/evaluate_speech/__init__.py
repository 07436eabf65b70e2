from metagan.pipelines.evaluate_speech.pipeline import create_pipeline

__all__ = ["create_pipeline"]
