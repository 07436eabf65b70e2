from metagan.pipelines.classifier.pipeline import create_pipeline

__all__ = ["create_pipeline"]
