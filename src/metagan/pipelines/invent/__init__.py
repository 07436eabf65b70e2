from metagan.pipelines.invent.pipeline import create_pipeline

__all__ = ["create_pipeline"]
