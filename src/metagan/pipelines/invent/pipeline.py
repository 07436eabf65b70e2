from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.invent.nodes import invent_classes
from metagan.reporting.figures import groups_picture


def create_pipeline() -> Pipeline:
    """Trained GANs and embedders -> invented classes as a bank and a picture, their origin, and what was dropped."""
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
            ),
            node(groups_picture, "invented_bank", "invented_alphabets", name="draw_alphabets"),
        ]
    )
