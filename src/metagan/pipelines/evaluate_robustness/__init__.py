from metagan.pipelines.evaluate_robustness.pipeline import create_pipeline

__all__ = ["create_pipeline"]
