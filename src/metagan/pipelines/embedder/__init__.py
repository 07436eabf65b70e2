from metagan.pipelines.embedder.pipeline import create_pipeline

__all__ = ["create_pipeline"]
