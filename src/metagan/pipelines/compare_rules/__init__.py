from metagan.pipelines.compare_rules.pipeline import create_pipeline

__all__ = ["create_pipeline"]
