from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.continual.nodes import compare, metrics


def create_pipeline() -> Pipeline:
    """GANs on a stream of tasks that changes: what each kind of training forgets, a page of it, and metrics."""
    parameters = ["params:continual", "params:meta_train", "params:classifier", "params:trainer", "params:seed"]
    return Pipeline(
        [
            node(
                compare,
                ["task_bank", "evaluation_embedder", "objective_embedder", *parameters, "checkpoint_folder"],
                ["continual", "continual_page"],
                name="compare_continual",
            ),
            node(metrics, "continual", "continual_metrics", name="log_continual_metrics"),
        ]
    )
