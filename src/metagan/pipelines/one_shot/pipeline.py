from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.one_shot.nodes import (
    draw_plane,
    measure_augmentation,
    measure_plane,
    metrics,
    plan_large_bank,
    train_diversity_critic,
    train_recognition_critic,
)


def create_pipeline() -> Pipeline:
    """Omniglot and the meta-model -> critics at 52 pixels, the plane with its picture, the augmentation protocol."""
    settings = ["params:one_shot", "params:meta_train", "params:seed"]
    return Pipeline(
        [
            node(
                plan_large_bank,
                ["task_bank", "meta_model", "params:tasks", "params:one_shot", "params:seed", "raw_folder"],
                "large_task_bank",
                name="draw_large_task_bank",
            ),
            node(
                train_recognition_critic,
                ["large_task_bank", "params:one_shot", "params:seed"],
                "recognition_critic",
                name="train_recognition_critic",
            ),
            node(
                train_diversity_critic,
                ["large_task_bank", "params:one_shot", "params:seed"],
                "diversity_critic",
                name="train_diversity_critic",
            ),
            node(
                measure_plane,
                ["task_bank", "large_task_bank", "recognition_critic", "diversity_critic", "meta_model", *settings],
                ["plane", "plane_samples"],
                name="measure_plane",
            ),
            node(draw_plane, "plane", "plane_picture", name="draw_plane"),
            node(
                measure_augmentation,
                ["task_bank", "meta_model", *settings],
                "augmentation_protocol",
                name="measure_augmentation",
            ),
            node(metrics, ["plane", "augmentation_protocol"], "one_shot_metrics", name="log_one_shot_metrics"),
        ]
    )
