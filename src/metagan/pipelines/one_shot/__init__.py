from metagan.pipelines.one_shot.pipeline import create_pipeline

__all__ = ["create_pipeline"]
