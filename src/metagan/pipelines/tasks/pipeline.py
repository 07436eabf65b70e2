from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.pipelines.tasks.nodes import describe_task_bank, plan_task_bank


def create_pipeline() -> Pipeline:
    """Images of the chosen source -> task bank, contact sheet, class table, data card."""
    return Pipeline(
        [
            node(plan_task_bank, ["params:seed", "params:tasks", "raw_folder"], "task_bank", name="build_task_bank"),
            node(
                describe_task_bank,
                ["task_bank", "params:seed"],
                ["contact_sheet", "class_table", "data_card"],
                name="describe_task_bank",
            ),
        ]
    )
