from metagan.pipelines.meta_train.pipeline import create_pipeline

__all__ = ["create_pipeline"]
