from metagan.pipelines.adapt_speech.pipeline import create_pipeline

__all__ = ["create_pipeline"]
