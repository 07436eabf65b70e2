"""The pipelines of `kedro run --pipeline <name>`."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from metagan.pipelines import embedder, evaluate, meta_train, report, tasks


def register_pipelines() -> dict[str, Pipeline]:
    """The five stages by name, and all of them in order as `__default__`."""
    stages = {
        "tasks": tasks.create_pipeline(),
        "embedder": embedder.create_pipeline(),
        "meta_train": meta_train.create_pipeline(),
        "evaluate": evaluate.create_pipeline(),
        "report": report.create_pipeline(),
    }
    return {**stages, "__default__": sum(stages.values(), Pipeline([]))}
