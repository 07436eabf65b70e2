"""Train, invent where the model is weak, train: few-shot classifiers whose classes grow from round to round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from metagan.evaluation.confidence import mean_and_ci95
from metagan.invention.checks import Checks
from metagan.invention.inventing import invent
from metagan.invention.usefulness import OpenStudio, chosen_classes, in_turn
from metagan.parameters import Invent
from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.tasks.joined import joined
from metagan.tasks.sources.base import Images
from metagan.tasks.streams import TaskStream, task_stream
from metagan.training.embedder import EmbedderTraining, few_shot_accuracy

ARMS = ("jitter", "at_once", "anywhere", "where_weak")
DRAWS = 20


@dataclass(frozen=True)
class Lessons:
    """What the arms of one seed have in common: k real classes, and who invents from them."""

    bank: TaskBank
    classes: ClassIndices
    open_studio: OpenStudio
    checks: Checks
    settings: Invent
    seed: int

    def follow(self, arm: str) -> tuple[list[float], int]:
        """Accuracy in percent on test classes, 1-shot, after each round, and how many classes were invented."""
        useful, wanted = self.settings.useful, self.settings.in_rounds
        training = EmbedderTraining(self.bank.example, useful.network, self.seed)
        checks = self.checks.afresh()
        invented: list[Images] = []
        found = []
        for number in range(wanted.rounds):
            invented += self._new(arm, number, training.network, checks)
            training.go_on(self._stream(invented), useful.network.episodes // wanted.rounds)
            network = training.network.eval()
            accuracy = few_shot_accuracy(network, self.bank, "test", useful.n_way, 1, useful.episodes, self.seed)
            found.append(100 * accuracy)
        return found, len(invented)

    def _stream(self, invented: list[Images]) -> TaskStream:
        """Of real classes, and in turn of invented ones, all distorted."""
        both = joined(self.bank, self.classes, invented, "invented")
        wrappers = (*self.settings.useful.network.stream, "jittered")
        return task_stream(both, self.seed, wrappers, *(in_turn(both, len(self.classes)) if invented else ()))

    def _new(self, arm: str, number: int, network: nn.Module, checks: Checks) -> list[Images]:
        """What an arm invents before a round: all before the first, or a part before each of the others."""
        if arm == "jitter" or (number == 0) != (arm == "at_once"):
            return []
        count = self.settings.classes if arm == "at_once" else self._share(number)
        seed = self.seed + 1000 * number
        parents = self.classes
        if arm == "where_weak":
            parents = weakest(network, self.bank, self.classes, self.settings.in_rounds.weak, seed)
        studio = self.open_studio(parents, seed)
        if number:
            studio = replace(studio, classifier=network)
        settings = self.settings.model_copy(update={"classes": count})
        return invent(studio, checks, settings, seed, progress=False).images

    def _share(self, number: int) -> int:
        """Of all invented classes, those of one of the rounds after the first."""
        places = np.linspace(0, self.settings.classes, self.settings.in_rounds.rounds).round().astype(int)
        return int(places[number] - places[number - 1])


def in_rounds(
    bank: TaskBank, open_studio: OpenStudio, embed: nn.Module, settings: Invent, progress: bool = True
) -> dict[str, Any]:
    """Accuracy on test classes of prototypical networks after each round, by what is invented before it.

    For each k of `in_rounds.real_classes` and each seed, `useful.network.episodes` in all: `jitter`, k real classes and
    nothing else; `at_once`, all new classes before the first round; `anywhere`, an equal part of them before each of
    the others, of any of the k as parents; `where_weak`, the same of those parents in which the network errs most. In
    both the network is the classifier of the inventor `hardest`. `gain` is what an arm adds to `jitter` in the end, a
    mean of differences over seeds.
    """
    wanted, seeds, rows = settings.in_rounds, settings.useful.seeds, {}
    chosen_of = chosen_classes(bank, wanted.real_classes, seeds, "invent.in_rounds.real_classes")
    bar = tqdm(
        total=len(chosen_of) * len(ARMS),
        desc="classifiers in rounds",
        unit="classifier",
        disable=not progress,
    )
    for k in wanted.real_classes:
        found: dict[str, list[tuple[list[float], int]]] = {arm: [] for arm in ARMS}
        for seed in seeds:
            chosen = chosen_of[k, seed]
            checks = Checks(bank, chosen, embed, settings, seed)
            lessons = Lessons(bank, chosen, open_studio, checks, settings, seed)
            for arm in ARMS:
                found[arm].append(lessons.follow(arm))
                bar.update()
        rows[str(k)] = _estimates(found)
    bar.close()
    return {"n_way": settings.useful.n_way, "rounds": wanted.rounds, "seeds": list(seeds), "real_classes": rows}


def weakest(network: nn.Module, bank: TaskBank, classes: ClassIndices, share: float, seed: int) -> ClassIndices:
    """The `share` of the classes, three at least, in which a network, in evaluation mode, has the largest loss: one
    image, distorted, is to be told by another one among all classes."""
    generator, random = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    losses = torch.zeros(len(classes))
    for _ in range(DRAWS):
        drawn = [_two_of(bank.class_images(int(index)), generator) for index in classes]
        images = bank.domain.move_at_random(bank.domain.to_tensor(np.concatenate(drawn)), random)
        with torch.no_grad():
            shown, asked = network(images).unflatten(0, (-1, 2)).unbind(1)
        losses += F.cross_entropy(-torch.cdist(asked, shown).square(), torch.arange(len(classes)), reduction="none")
    count = min(max(3, round(share * len(classes))), len(classes))
    return classes[losses.argsort(descending=True)[:count].numpy()]


def _two_of(images: Images, generator: np.random.Generator) -> Images:
    return images[generator.choice(len(images), 2, replace=False)]


def _estimates(found: Mapping[str, Sequence[tuple[list[float], int]]]) -> dict[str, Any]:
    """Of each arm the mean curve over seeds, with intervals, its gain over jitter in the end, and what was invented."""
    values = {arm: np.array([curve for curve, _ in of_seeds]) for arm, of_seeds in found.items()}
    return {
        arm: {
            "curve": [mean_and_ci95(column) for column in own.T],
            "gain": mean_and_ci95(own[:, -1] - values["jitter"][:, -1]),
            "values": own.tolist(),
            "invented_classes": [count for _, count in found[arm]],
        }
        for arm, own in values.items()
    }
