"""Who writes words of unseen classes: the adapted model, and models of n-grams, each at several temperatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from metagan.domains.spelling import CHARACTERS, LONGEST, decoded, encoded, spelled
from metagan.errors import UserError
from metagan.evaluation.n_grams import Mixture, NGramModel, fitted, surprise, written
from metagan.evaluation.word_lists import WordTask
from metagan.parameters import MetaTrain, TextSettings
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generator_of
from metagan.training.arms import make_sampler
from metagan.training.gan import Gan
from metagan.training.trajectories import sampling_map

Write = Callable[[float], list[list[str]]]
"""A temperature -> a list of words for each task."""

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Of the support set's model in a mixture."""
CHOSEN_ON = 20
"""Val classes on which the share is chosen."""
TASKS_AT_ONCE = 20
_WORDS = 11


def words_of(bank: TaskBank, class_index: int) -> list[str]:
    """The words of one class, decomposed as `spelled` gives them."""
    return [spelled(word) for word in decoded(bank.class_images(class_index))]


def word_tasks(bank: TaskBank, split: str, settings: TextSettings, seed: int) -> list[WordTask]:
    """A task of each class of a split, in a seeded order. Raises UserError for another domain, and for a class of too
    few words."""
    if bank.example.domain != "text":
        raise UserError(f"evaluate_text: is of words, but the task bank of {bank.source} has {bank.example.domain}")
    random = generator_of(seed, _WORDS, 0)
    tasks = []
    for class_index in random.permutation(bank.splits[split])[: settings.n_tasks].tolist():
        words, name = words_of(bank, class_index), bank.classes[class_index].name
        if len(words) < settings.fewest:
            raise UserError(
                f"text.samples: k_shot + samples + 8 = {settings.fewest} is more than the {len(words)} words of "
                f"{name!r}; lower it"
            )
        mixed = tuple(words[i] for i in random.permutation(len(words)))
        k_shot, end = settings.k_shot, settings.k_shot + settings.samples
        tasks.append(WordTask(name, mixed[:k_shot], mixed[k_shot:end], mixed[end:]))
    return tasks


def model_writer(
    gan: Gan, training: MetaTrain, tasks: Sequence[WordTask], bank: TaskBank, settings: TextSettings, seed: int
) -> Write:
    """The GAN after its adversarial steps on each support set, at multiples of its own temperature."""
    supports = torch.stack([bank.domain.to_tensor(encoded(task.support)) for task in tasks])
    task_map = sampling_map(gan, training)

    def write(temperature: float) -> list[list[str]]:
        sampler = make_sampler(task_map, replace(gan, temperature=gan.temperature.times(temperature)))
        lists = []
        for first in range(0, len(tasks), TASKS_AT_ONCE):
            part = supports[first : first + TASKS_AT_ONCE]
            made = bank.domain.to_stored(sampler(part, (settings.step,), settings.samples, seed + first)[:, 0])
            lists += [[spelled(word) for word in decoded(codes)] for codes in made]
        return lists

    return write


def n_gram_writer(models: Sequence[NGramModel | Mixture], settings: TextSettings, seed: int) -> Write:
    """A model for each task."""

    def write(temperature: float) -> list[list[str]]:
        generator = np.random.default_rng((seed, round(1000 * temperature)))
        return [written(model, settings.samples, LONGEST, temperature, generator) for model in models]

    return write


def support_models(tasks: Sequence[WordTask], settings: TextSettings) -> list[NGramModel]:
    """Each fitted to the support words alone."""
    return [fitted(task.support, settings.order, CHARACTERS) for task in tasks]


def all_languages(bank: TaskBank, settings: TextSettings) -> NGramModel:
    """Fitted to all words of the train split."""
    words = [word for class_index in bank.splits["train"] for word in words_of(bank, int(class_index))]
    return fitted(words, settings.order, CHARACTERS)


def best_share(everything: NGramModel, tasks: Sequence[WordTask], settings: TextSettings) -> float:
    """The share of the support set's model at which the real words of tasks, of val classes, surprise least."""
    few = tasks[:CHOSEN_ON]
    models = support_models(few, settings)

    def mean_surprise(share: float) -> float:
        mixtures = (Mixture(own, everything, share) for own in models)
        return float(np.mean([surprise(mixture, task.real) for mixture, task in zip(mixtures, few, strict=True)]))

    return min(SHARES, key=mean_surprise)
