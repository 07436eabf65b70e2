from metagan.pipelines.continual.pipeline import create_pipeline

__all__ = ["create_pipeline"]
