"""Are invented classes worth learning? Few-shot classifiers of them, of real ones and of cheaper new classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from metagan.errors import UserError
from metagan.evaluation.confidence import mean_and_ci95
from metagan.invention.checks import Checks
from metagan.invention.inventing import invent
from metagan.invention.inventors import Studio
from metagan.parameters import Invent
from metagan.parameters.invent import Useful
from metagan.parameters.stream import WrapperName
from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.tasks.joined import joined
from metagan.tasks.sources.base import Images
from metagan.training.embedder import few_shot_accuracy, load_embedder, train_embedder

OpenStudio = Callable[[ClassIndices, int], Studio]
"""(train classes that may be parents, seed) -> a studio."""
SHOTS = (1, 5)
ARMS = (
    "real",
    "turned",
    "jitter",
    "turned_jitter",
    "mixed",
    "single",
    "invented",
    "invented_jitter",
    "mixed_in_turn",
    "single_in_turn",
    "invented_in_turn",
    "invented_turned_in_turn",
    "invented_only",
    "all_real",
)


class UseArm(NamedTuple):
    """What classifiers are trained on: the train classes of a bank, or parts of them in turn, an episode each, and what
    changes their tasks."""

    bank: TaskBank
    changes: tuple[WrapperName, ...] = ()
    in_turn: tuple[ClassIndices, ...] = ()


def useful(
    bank: TaskBank, open_studio: OpenStudio, embed: nn.Module, settings: Invent, progress: bool = True
) -> dict[str, Any]:
    """Accuracy on test classes of prototypical networks, in percent, by what they were trained on for as many episodes.

    For each k of `real_classes` and each seed: `real`, k real classes; `turned` and `jitter`, these, by quarter turns
    (further classes) or with every image distorted; and these with new classes, as many as are invented: `mixed`, means
    of two real images; `single`, one real image, distorted (UMTRA, Khodadadeh et al. 2019, arXiv 1811.11819);
    `invented`, with these k as the only parents. `*_jitter` is the same, distorted, `*_in_turn` distorted, and every
    second episode of real classes alone, `*_turned_*` by quarter turns as well. `invented_only` has no real ones,
    `all_real` every train class. `gain` is what an arm adds to `real` and `beside_jitter` what it adds to `jitter`,
    means of differences over seeds.
    """
    wanted, rows = settings.useful, {}
    chosen_of = chosen_classes(bank, wanted.real_classes, wanted.seeds, "invent.useful.real_classes")
    bar = tqdm(total=len(chosen_of) * len(ARMS), desc="classifiers", unit="classifier", disable=not progress)
    for k in wanted.real_classes:
        found: dict[str, list[dict[int, float]]] = {arm: [] for arm in ARMS}
        counts = []
        for seed in wanted.seeds:
            chosen = chosen_of[k, seed]
            studio = open_studio(chosen, seed)
            checks = Checks(bank, chosen, embed, settings, seed)
            inventions = invent(studio, checks, settings, seed, progress=False)
            counts.append(len(inventions.images))
            for name, arm in _arms(bank, chosen, inventions.images, seed).items():
                found[name].append(_accuracies(arm, bank, wanted, seed))
                bar.update()
        rows[str(k)] = {"invented_classes": counts} | _estimates(found)
    bar.close()
    return {"n_way": wanted.n_way, "episodes": wanted.episodes, "seeds": list(wanted.seeds), "real_classes": rows}


def chosen_classes(
    bank: TaskBank, numbers: Sequence[int], seeds: Sequence[int], parameter: str
) -> dict[tuple[int, int], ClassIndices]:
    """By k of `numbers` and seed: k train classes at random. Raises UserError, with the name of the parameter, where
    there are fewer."""
    train = bank.splits["train"]
    if max(numbers) > len(train):
        raise UserError(f"{parameter}: {max(numbers)}, but {bank.source} has only {len(train)} train classes")
    return {(k, seed): np.random.default_rng((seed, k)).permutation(train)[:k] for k in numbers for seed in seeds}


def in_turn(both: TaskBank, own: int) -> tuple[ClassIndices, ClassIndices]:
    """The new train classes of a bank, and the `own` first ones, which are real."""
    real, new = np.split(both.splits["train"], [own])
    return new, real


def _arms(bank: TaskBank, chosen: ClassIndices, invented: list[Images], seed: int) -> dict[str, UseArm]:
    generator, count, jitter = np.random.default_rng((seed, 3)), len(invented), ("jittered",)
    new = {
        "mixed": [*mixed_classes(bank, chosen, count, generator)],
        "single": [*single_image_classes(bank, chosen, count, generator)],
        "invented": invented,
    }
    real, both = joined(bank, chosen, [], ""), {name: joined(bank, chosen, own, name) for name, own in new.items()}
    turns = in_turn(both["invented"], len(chosen))
    return {
        "real": UseArm(real),
        "turned": UseArm(real, ("turned",)),
        "jitter": UseArm(real, jitter),
        "turned_jitter": UseArm(real, ("turned", *jitter)),
        **{name: UseArm(own) for name, own in both.items()},
        "invented_jitter": UseArm(both["invented"], jitter),
        **{f"{name}_in_turn": UseArm(own, jitter, turns) for name, own in both.items()},
        "invented_turned_in_turn": UseArm(both["invented"], ("turned", *jitter), turns),
        "invented_only": UseArm(joined(bank, chosen[:0], invented, "invented")),
        "all_real": UseArm(bank),
    }


def mixed_classes(
    bank: TaskBank, classes: ClassIndices, count: int, generator: np.random.Generator
) -> Iterator[Images]:
    """Classes of means of an image of one class and an image of another."""
    for _ in range(count):
        pair = [bank.class_images(int(index)) for index in generator.choice(classes, 2, replace=False)]
        size = min(map(len, pair))
        first, second = (bank.domain.to_tensor(own[generator.permutation(len(own))[:size]]) for own in pair)
        yield bank.domain.to_stored((first + second) / 2)


def single_image_classes(
    bank: TaskBank, classes: ClassIndices, count: int, generator: np.random.Generator
) -> Iterator[Images]:
    """Classes of one image each, moved as far as the domain moves images."""
    for _ in range(count):
        own = bank.class_images(int(generator.choice(classes)))
        image = bank.domain.to_tensor(own[generator.integers(len(own))][None])
        random = torch.Generator().manual_seed(int(generator.integers(2**31)))
        yield bank.domain.to_stored(bank.domain.move_at_random(image.expand(len(own), -1, -1, -1), random))


def _accuracies(arm: UseArm, bank: TaskBank, wanted: Useful, seed: int) -> dict[int, float]:
    """In percent on test classes of `bank`, by the number of support images."""
    network = wanted.network.model_copy(update={"stream": (*wanted.network.stream, *arm.changes)})
    embedder = load_embedder(train_embedder(arm.bank, network, seed, False, arm.in_turn), bank)
    return {
        shots: 100 * few_shot_accuracy(embedder, bank, "test", wanted.n_way, shots, wanted.episodes, seed)
        for shots in SHOTS
    }


def _estimates(found: dict[str, list[dict[int, float]]]) -> dict[str, Any]:
    """By the number of support images, of each arm the mean over seeds, and its gains over `real` and `jitter`."""
    table: dict[str, Any] = {}
    for shots in SHOTS:
        values = {arm: np.array([of_seed[shots] for of_seed in rows]) for arm, rows in found.items()}
        table[f"{shots}_shot"] = {
            arm: {
                **mean_and_ci95(own),
                "gain": mean_and_ci95(own - values["real"]),
                "beside_jitter": mean_and_ci95(own - values["jitter"]),
                "values": own.tolist(),
            }
            for arm, own in values.items()
        }
    return table
