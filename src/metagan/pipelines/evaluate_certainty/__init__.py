from metagan.pipelines.evaluate_certainty.pipeline import create_pipeline

__all__ = ["create_pipeline"]
