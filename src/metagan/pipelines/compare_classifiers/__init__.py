from metagan.pipelines.compare_classifiers.pipeline import create_pipeline

__all__ = ["create_pipeline"]
