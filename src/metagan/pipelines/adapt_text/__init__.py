from metagan.pipelines.adapt_text.pipeline import create_pipeline

__all__ = ["create_pipeline"]
