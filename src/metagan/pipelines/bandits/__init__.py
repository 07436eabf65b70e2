from metagan.pipelines.bandits.pipeline import create_pipeline

__all__ = ["create_pipeline"]
