from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.invent.nodes import invent_classes


def create_pipeline() -> Pipeline:
    """Trained GANs and embedders -> a task bank of invented classes, where each is from, and what was dropped."""
    return Pipeline(
        [
            node(
                invent_classes,
                [
                    "task_bank",
                    "meta_model",
                    "joint_gan",
                    "objective_embedder",
                    "judge_embedder",
                    "params:invent",
                    "params:seed",
                ],
                ["invented_bank", "invented_classes", "inventions"],
                name="invent",
            )
        ]
    )
