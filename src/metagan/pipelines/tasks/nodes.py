"""Nodes that build the task bank and describe it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from metagan.parameters import Tasks
from metagan.tasks import pictures
from metagan.tasks.bank import BankPlan, TaskBank, plan_bank


def plan_task_bank(seed: int, tasks: dict[str, Any], raw_folder: Path) -> BankPlan:
    """Find and split the classes; the catalog draws the images while it saves the plan."""
    return plan_bank(Tasks.model_validate(tasks), seed, raw_folder)


def describe_task_bank(bank: TaskBank, seed: int) -> tuple[Image.Image, pd.DataFrame, dict[str, Any]]:
    """The contact sheet, the class table and the data card."""
    sheet = pictures.contact_sheet(bank, columns=20, rows=20, seed=seed)
    return sheet, pictures.class_table(bank), pictures.data_card(bank)
