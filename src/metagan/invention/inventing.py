"""Invent classes: drafts of the inventors, drawn by the adapted model, and dropped where they fail the checks."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from metagan.errors import UserError
from metagan.evaluation.features import blank_where_diverged
from metagan.invention.checks import Checks
from metagan.invention.inventors import INVENTORS, Draft, Studio
from metagan.invention.inventors.base import TASKS_AT_ONCE
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import Invent
from metagan.tasks.bank import BankPlan, TaskBank
from metagan.tasks.sources.base import ClassRecord, Images, Source
from metagan.training.data import sampling_tasks
from metagan.training.gan import Gan
from metagan.training.trajectories import sample_trajectory

TRIED_FOR_ONE = 1.5
"""Drafts for each class that is still missing."""

logger = logging.getLogger(__name__)


@dataclass
class Inventions:
    """Classes that passed the checks, as stored images (n, *shape), a row of provenance for each, and what was dropped:
    how many drafts each inventor made, and how many failed for which reason."""

    images: list[Images] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, inventor: str) -> int:
        """How many classes of an inventor are kept."""
        return sum(row["inventor"] == inventor for row in self.rows)

    def table(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            name: {"tried": self.tried[name], "kept": self.count(name), "dropped": dict(sorted(dropped.items()))}
            for name, dropped in self.dropped.items()
        }


def invent(studio: Studio, checks: Checks, settings: Invent, seed: int, progress: bool = True) -> Inventions:
    """`settings.classes` new classes, shared evenly by the inventors of `settings.how`, or as many as pass in `rounds`.

    None is a repetition of what has passed the same checks before. The same seed invents the same. Raises UserError
    when fewer than two pass.
    """
    found = Inventions(dropped={name: Counter() for name in settings.how})
    quotas = dict(zip(found.dropped, _shares(settings.classes, len(found.dropped)), strict=True))
    bar = tqdm(total=settings.classes, desc="inventing", unit="class", disable=not progress)
    for number in range(settings.rounds):
        missing = {name: quota - found.count(name) for name, quota in quotas.items()}
        for place, (name, count) in enumerate(missing.items()):
            if count:
                own_seed = int(np.random.SeedSequence(seed, spawn_key=(number, place)).generate_state(1)[0])
                bar.update(_round(studio, checks, name, count, settings, own_seed, found))
    bar.close()
    _tell(found, settings)
    return found


def _shares(count: int, parts: int) -> list[int]:
    return [count // parts + (place < count % parts) for place in range(parts)]


def _round(
    studio: Studio, checks: Checks, name: str, count: int, settings: Invent, seed: int, found: Inventions
) -> int:
    """Drafts of one inventor until `count` have passed, or all were looked at; how many have."""
    generator = np.random.default_rng(seed)
    drafts = INVENTORS[name](studio, settings, int(np.ceil(TRIED_FOR_ONE * count)) + 1, generator)
    supports = [cut(studio.bank, draft.images) for draft in drafts]
    stored = drawn(studio.bank, studio.gan, supports, settings.images, settings.steps, seed)
    verdicts = checks.verdicts(studio.bank.domain.to_tensor(stored), count)
    for place, verdict in enumerate(verdicts):
        found.tried[name] += 1
        if verdict.reason:
            found.dropped[name][verdict.reason] += 1
            continue
        found.images.append(stored[place])
        origin = {"name": f"{name} {found.count(name):03}", "inventor": name, "seed": seed, "number": place}
        found.rows.append(origin | _provenance(drafts[place], studio.bank) | verdict.numbers)
    return sum(not verdict.reason for verdict in verdicts)


def cut(bank: TaskBank, images: Tensor) -> Tensor:
    """Drawings in black and white: a mix of two is grey, and what is drawn after it should not be; others as is."""
    return (images > 0.5).to(images) if bank.example.on_paper else images


def drawn(bank: TaskBank, gan: Gan, supports: Sequence[Tensor], n: int, steps: int, seed: int) -> NDArray[Any]:
    """Stored examples (T, n, *shape) of the model as adapted to each of the support sets (K, C, H, W)."""
    tasks = sampling_tasks(torch.stack(list(supports)), steps, n, seed, gan.architecture)
    samples = sample_trajectory(TaskMap(gan.learner(), "vmap", TASKS_AT_ONCE), gan, tasks, (steps,))[:, 0]
    return bank.domain.to_stored(blank_where_diverged(samples))


def _provenance(draft: Draft, bank: TaskBank) -> dict[str, Any]:
    return {
        "parents": [bank.classes[parent].name for parent in draft.parents],
        "weights": [round(float(weight), 4) for weight in draft.weights],
        "way": draft.way,
    }


def _tell(found: Inventions, settings: Invent) -> None:
    if len(found.rows) < 2:
        raise UserError(
            f"invent: of {found.tried.total()} drafts {len(found.rows)} passed the checks ({_reasons(found.dropped)}), "
            "and at least 2 are needed: train the model for longer, or choose other inventors (invent.how)"
        )
    logger.info(
        "%d of %d drafts are kept; dropped: %s", len(found.rows), found.tried.total(), _reasons(found.dropped) or "none"
    )
    if len(found.rows) < settings.classes:
        logger.warning(
            "invent.classes: only %d of %d passed the checks in %d rounds (invent.rounds)",
            len(found.rows),
            settings.classes,
            settings.rounds,
        )


def _reasons(dropped: Mapping[str, Counter[str]]) -> str:
    total = sum(dropped.values(), Counter())
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in total.most_common())


def invented_plan(found: Inventions, bank: TaskBank) -> BankPlan:
    """The classes as a bank of train classes alone, each in the group of its inventor."""
    classes = [
        ClassRecord(row["name"], row["inventor"], "train", len(images))
        for row, images in zip(found.rows, found.images, strict=True)
    ]
    drawings = [partial(np.asarray, images) for images in found.images]
    note = f"invented from train classes of {bank.source}; made, not seen"
    return BankPlan(Source("invented", note, bank.example, tuple(classes), tuple(drawings)), workers=1)
