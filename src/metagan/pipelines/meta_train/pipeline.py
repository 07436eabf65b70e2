from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.meta_train.nodes import meta_model_candidate, meta_train, train_joint_gan


def create_pipeline() -> Pipeline:
    """Task bank and embedders -> the meta-model, the joint GAN, and both training histories."""
    return Pipeline(
        [
            node(
                meta_train,
                [
                    "task_bank",
                    "evaluation_embedder",
                    "objective_embedder",
                    "params:meta_train",
                    "params:trainer",
                    "params:seed",
                    "checkpoint_folder",
                ],
                ["meta_model", "training_history"],
                name="meta_train",
            ),
            node(
                meta_model_candidate,
                ["meta_model", "training_history", "task_bank", "evaluation_embedder", "params:meta_train"],
                "registered_meta_model",
                name="register_meta_model",
            ),
            node(
                train_joint_gan,
                ["task_bank", "params:meta_train", "params:trainer", "params:seed", "checkpoint_folder"],
                ["joint_gan", "joint_history"],
                name="train_joint_gan",
            ),
        ]
    )
