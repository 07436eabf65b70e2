"""The node that invents classes."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from metagan.invention.checks import Checks
from metagan.invention.inventing import invent, invented_plan
from metagan.invention.models import invention_models
from metagan.parameters import Invent
from metagan.tasks.bank import BankPlan, TaskBank
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel


def invent_classes(
    bank: TaskBank,
    meta_model: SavedModel[GanHeader],
    joint_gan: SavedModel[GanHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    judge_embedder: SavedModel[EmbedderHeader],
    settings: dict[str, Any],
    seed: int,
) -> tuple[BankPlan, pd.DataFrame, dict[str, Any]]:
    """New train classes; the objective's embedder checks them, and the judge's is the classifier of `hardest`."""
    models = invention_models("invent", bank, meta_model, joint_gan, objective_embedder, judge_embedder)
    wanted = Invent.model_validate(settings)
    train = bank.splits["train"]
    studio, checks = models.studio(wanted, train, seed), Checks(bank, train, models.objective, wanted, seed)
    found = invent(studio, checks, wanted, seed)
    rows = [
        row | {name: json.dumps(row[name], ensure_ascii=False) for name in ("parents", "weights")} for row in found.rows
    ]
    table = {
        "classes": len(found.rows),
        "parents": len(studio.parents),
        "inventors": found.table(),
        "made_from": models.made_from,
    }
    return invented_plan(found, bank), pd.DataFrame(rows), table
