from metagan.pipelines.compare_meta_gradients.pipeline import create_pipeline

__all__ = ["create_pipeline"]
