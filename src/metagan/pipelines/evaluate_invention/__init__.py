from metagan.pipelines.evaluate_invention.pipeline import create_pipeline

__all__ = ["create_pipeline"]
