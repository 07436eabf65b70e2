"""What speech is measured by beyond pictures: two plain baselines, inversion as a ceiling, and what is said by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metagan.domains import Domain
from metagan.domains.sound import sound_of, spectrogram
from metagan.errors import UserError
from metagan.evaluation.features import Embed
from metagan.evaluation.from_scratch import Trial, answers
from metagan.evaluation.generation import all_metrics, real_metrics, reference, seen
from metagan.evaluation.use import Sampler, stored_samples, use
from metagan.parameters import Evaluate, EvaluateSpeech
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import GenerationTask, generator_of

Spectrograms = NDArray[np.uint8]
NOISE = 0.02
"""Of the whole range: what the jittered baseline adds to every place."""
TASKS_AT_ONCE = 20
_TAKES = 6  # others are keys of `tasks.sampling` and `tasks.streams`


def jittered(domain: Domain) -> Sampler:
    """Samples that are support recordings, in turn, of another pitch, time, speed and level, with noise."""

    def sample(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        chosen = supports[:, torch.arange(n) % supports.shape[1]]
        moved = domain.move_at_random(chosen.flatten(0, 1), generator).view_as(chosen)
        noisy = moved + NOISE * torch.randn(moved.shape, generator=generator)
        return noisy.clamp(0, 1)[:, None].repeat(1, len(steps), 1, 1, 1, 1)

    return sample


def gaussian(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
    """Samples of a normal distribution with the mean of the support set and all of its principal components."""
    generator = torch.Generator().manual_seed(seed)
    k_shot = supports.shape[1]
    mean = supports.mean(1, keepdim=True)
    weights = torch.randn(len(supports), n, k_shot, generator=generator) / max(k_shot - 1, 1) ** 0.5
    samples = mean + torch.einsum("tnk,tkchw->tnchw", weights, supports - mean)
    return samples.clamp(0, 1)[:, None].repeat(1, len(steps), 1, 1, 1, 1)


def inverted(shown: Spectrograms, seed: int) -> Spectrograms:
    """Spectrograms (..., 1, size, size) of the sounds that spectrograms are inverted to: what can be heard of them."""
    size = shown.shape[-1]
    heard = [spectrogram(sound_of(one, seed), size) for one in shown.reshape(-1, 1, size, size)]
    return np.stack(heard).reshape(shown.shape)


def speech_table(
    bank: TaskBank, embed: Embed, judge: Embed, arms: Mapping[str, Sampler], step: int, settings: Evaluate, seed: int
) -> dict[str, dict[str, float]]:
    """The metrics of `evaluate` after `step` steps: of arms, `adapted` among them, `real` and `inverted_real`."""
    real = reference(bank, embed, judge, settings, seed)
    supports = bank.domain.to_tensor(real.support.pixels)
    made = {
        name: _drawn(bank.domain, sampler, supports, step, settings.n_query, seed) for name, sampler in arms.items()
    }
    made["inverted_real"] = bank.domain.to_tensor(inverted(real.query.pixels, seed))
    table = {
        name: all_metrics(seen(bank.domain, images, embed, judge), real, settings, seed)
        for name, images in made.items()
    }
    table["real"] = real_metrics(real, settings, seed)
    shots = settings.use.model_copy(update={"k_shots": (settings.k_shot,)})
    found = use(bank, arms, step, settings.model_copy(update={"steps": (step,), "use": shots}), seed)
    for name in arms:
        table[name]["use"] = found["by_step"][name][0]["mean"]
    return table


def _drawn(domain: Domain, sampler: Sampler, supports: Tensor, step: int, n: int, seed: int) -> Tensor:
    """One sample set of each task, (T, n, C, H, W), as it would be stored."""
    parts = supports.split(TASKS_AT_ONCE)
    drawn = [stored_samples(domain, sampler, part, (step,), n, seed + i)[:, 0] for i, part in enumerate(parts)]
    return torch.cat(drawn)


def who_said_what(
    bank: TaskBank, arms: Mapping[str, Sampler], step: int, k_shot: int, settings: EvaluateSpeech, seed: int
) -> dict[str, dict[str, float]]:
    """Shares of what is heard of samples that a classifier takes for their digit, and another for their speaker.

    For classes named `speaker/digit`. Both classifiers are trained on the second half of the real recordings of every
    class; support and `real` ones are of the first half. Samples of arms are inverted, as are those of
    `inverted_real`.
    """
    tasks = [
        _dealt(bank, index, k_shot, settings.samples, seed, draw)
        for draw in range(settings.draws)
        for index in bank.splits["test"]
    ]
    names = [bank.classes[int(task.class_index)].name.split("/") for task in tasks]
    supports, real = (torch.stack([getattr(task, part) for task in tasks]) for part in ("support", "query"))
    made = {"real": real, "inverted_real": real} | {
        name: _drawn(bank.domain, sampler, supports, step, settings.samples, seed) for name, sampler in arms.items()
    }
    to_stored, to_tensor = bank.domain.to_stored, bank.domain.to_tensor
    heard = {
        name: images if name == "real" else to_tensor(inverted(to_stored(images), seed))
        for name, images in made.items()
    }
    tested = torch.cat([images.flatten(0, 1) for images in heard.values()])
    found: dict[str, dict[str, float]] = {}
    for place, kind in enumerate(("speaker", "digit")):
        labels = sorted({record.name.split("/")[place] for record in bank.classes})
        of_test = torch.tensor([labels.index(parts[place]) for parts in names]).repeat_interleave(settings.samples)
        training = _training_takes(bank, labels, place, seed)
        trial = Trial(bank.domain, [training], (tested, of_test.repeat(len(heard))), len(labels), seed, jitter=True)
        (right,) = answers([trial], settings.judge_steps)
        shares = right.view(len(heard), -1).double().mean(1).tolist()
        found[kind] = dict(zip(heard, shares, strict=True))
    return found


def _order(bank: TaskBank, index: int, seed: int) -> NDArray[np.int64]:
    """The takes of a class: the first half may be support or shown, the second half trains classifiers."""
    return generator_of(seed, _TAKES, index).permutation(len(bank.class_images(index)))


def _dealt(bank: TaskBank, index: int, k_shot: int, n: int, seed: int, draw: int) -> GenerationTask:
    """Support and `n` other recordings, out of the first half of a class."""
    takes = _order(bank, index, seed)
    half = takes[: len(takes) // 2]
    if k_shot + n > len(half):
        raise UserError(
            f"evaluate_speech.samples: evaluate.k_shot + samples = {k_shot} + {n}, but half of the class "
            f"{bank.classes[index].name!r} are {len(half)} recordings"
        )
    chosen = np.roll(half, draw * k_shot)[: k_shot + n]
    images = bank.domain.to_tensor(bank.class_images(index)[chosen])
    return GenerationTask(images[:k_shot], images[k_shot:], int(index))


def _training_takes(bank: TaskBank, labels: Sequence[str], place: int, seed: int) -> tuple[Tensor, Tensor]:
    images, owners = [], []
    for index, record in enumerate(bank.classes):
        takes = _order(bank, index, seed)
        own = bank.class_images(index)[takes[len(takes) // 2 :]]
        images.append(bank.domain.to_tensor(own))
        owners += [labels.index(record.name.split("/")[place])] * len(own)
    return torch.cat(images), torch.tensor(owners)
