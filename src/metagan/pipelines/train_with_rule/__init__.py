from metagan.pipelines.train_with_rule.pipeline import create_pipeline

__all__ = ["create_pipeline"]
