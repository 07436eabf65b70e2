"""The node that invents classes."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from metagan.identity import together
from metagan.invention.inventing import invent, invented_plan
from metagan.invention.inventors.base import open_studio
from metagan.parameters import Invent
from metagan.tasks.bank import BankPlan, TaskBank
from metagan.training.embedder import load_embedder
from metagan.training.gan import load_gan
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
    origin = together(
        "invent",
        task_bank=bank.identity,
        meta_model=meta_model.identity("meta_model"),
        joint_gan=joint_gan.identity("joint_gan"),
        objective_embedder=objective_embedder.identity("objective_embedder"),
        judge_embedder=judge_embedder.identity("judge_embedder"),
    )
    wanted = Invent.model_validate(settings)
    gan, joint = load_gan(meta_model, "meta_model"), load_gan(joint_gan, "joint_gan")
    studio = open_studio(bank, gan, joint, load_embedder(judge_embedder, bank), wanted, seed)
    found = invent(studio, load_embedder(objective_embedder, bank), wanted, seed)
    rows = [
        row | {name: json.dumps(row[name], ensure_ascii=False) for name in ("parents", "weights")} for row in found.rows
    ]
    table = {
        "classes": len(found.rows),
        "parents": len(studio.parents),
        "inventors": found.table(),
        "made_from": origin,
    }
    return invented_plan(found, bank), pd.DataFrame(rows), table
