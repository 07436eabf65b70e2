from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.compare_meta_gradients.nodes import compare


def create_pipeline() -> Pipeline:
    """Task bank and embedders -> maml, fomaml and reptile at the same training time: a table and a picture."""
    return Pipeline(
        [
            node(
                compare,
                [
                    "task_bank",
                    "evaluation_embedder",
                    "objective_embedder",
                    "params:meta_train",
                    "params:compare_meta_gradients",
                    "params:evaluate",
                    "params:trainer",
                    "params:seed",
                    "checkpoint_folder",
                ],
                ["meta_gradient_table", "meta_gradient_samples"],
                name="compare_meta_gradients",
            )
        ]
    )
