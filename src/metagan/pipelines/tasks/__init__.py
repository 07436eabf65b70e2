from metagan.pipelines.tasks.pipeline import create_pipeline

__all__ = ["create_pipeline"]
