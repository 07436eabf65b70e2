from metagan.pipelines.adapt.pipeline import create_pipeline

__all__ = ["create_pipeline"]
