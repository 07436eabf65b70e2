from metagan.pipelines.evaluate_text.pipeline import create_pipeline

__all__ = ["create_pipeline"]
