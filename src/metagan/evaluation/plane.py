"""The plane of recognisability and diversity (Boutin et al. 2022, arXiv 2205.10370, section 3) of one-shot drawings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metagan.domains import Domain
from metagan.errors import UserError
from metagan.evaluation.confidence import mean_and_ci95
from metagan.evaluation.features import Embed, as_float64, embed_images
from metagan.evaluation.use import Sampler, stored_samples
from metagan.parameters import OneShot
from metagan.tasks.bank import ClassIndices, TaskBank


@dataclass(frozen=True)
class Critics:
    """Networks (N, C, H, W) -> (N, F) of black and white drawings: one that tells classes, one that tells drawings."""

    recognition: Embed
    contrast: Embed


def plane(
    bank: TaskBank,
    large: TaskBank,
    classes: ClassIndices,
    critics: Critics,
    sampler: Sampler,
    settings: OneShot,
    seed: int,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Recognisability and diversity of people, of the model and of what is known, and the drawings (T, n, C, S, S).

    `large` has the drawings of the same `classes` (T,) as the critics take them. The exemplar of a class is the drawing
    nearest to its class mean in the features of the recognition critic; people are the others.

    Raises:
        UserError: the classes have different numbers of drawings, or are fewer than the ways of a test.
    """
    check_ways("one_shot.plane.n_way", settings.plane.n_way, classes)
    domain, size = bank.domain, large.example.shape[-1]
    small, drawings = (domain.to_tensor(images_of(each, classes)) for each in (bank, large))
    order = torch.from_numpy(nearest_to_mean_first(embed_images(critics.recognition, drawings)))
    rows = torch.arange(len(order))[:, None]
    small, drawings = small[rows, order], drawings[rows, order]

    n = settings.plane.samples
    exemplars = small[:, :1].expand(-1, n, -1, -1, -1)
    generator = torch.Generator().manual_seed(seed)
    arms = {
        "people": drawings[:, 1:],
        "people_at_model_size": black_and_white(small[:, 1:], size),
        "jittered_copies": black_and_white(jittered(domain, exemplars, generator), size),
        "noise": noise_with_as_much_ink(drawings, n, generator),
    }
    for k_shot in settings.plane.k_shots:
        arms[f"copies_{k_shot}_shot"] = black_and_white(small[:, torch.arange(n) % k_shot], size)
        made = stored_samples(domain, sampler, small[:, :k_shot], (settings.step,), n, seed)[:, 0]
        arms[f"model_{k_shot}_shot"] = black_and_white(made, size)
    references = embed_images(critics.recognition, drawings[:, 0])
    points = {name: _point(images, references, critics, settings, seed) for name, images in arms.items()}
    for point in points.values():
        point["relative"] = relative(point, points["people"])
    table = {"classes": len(order), "image_size": size, "n_way": settings.plane.n_way, "tests": settings.plane.tests}
    return {**table, "step": settings.step, "points": points}, {"exemplars": drawings[:, :1], **arms}


def check_ways(name: str, n_way: int, classes: ClassIndices) -> None:
    """Raises UserError when a test needs more classes than there are."""
    if n_way > len(classes):
        raise UserError(f"{name}: {n_way}, but the bank has {len(classes)} such test classes")


def images_of(bank: TaskBank, classes: ClassIndices) -> np.ndarray:
    """All drawings of some classes, uint8 (T, n, C, H, W). Raises UserError unless they have as many each."""
    images = [bank.class_images(index) for index in classes]
    if len({len(of_class) for of_class in images}) > 1:
        raise UserError("one_shot: all test classes must have as many drawings")
    return np.stack(images)


def nearest_to_mean_first(features: np.ndarray) -> np.ndarray:
    """(T, n) numbers of the drawings of each class with features (T, n, F), by their distance to the class mean."""
    array = as_float64(features)
    return ((array - array.mean(1, keepdims=True)) ** 2).sum(-1).argsort(1, kind="stable")


def recognisability(samples: np.ndarray, references: np.ndarray, n_way: int, tests: int, seed: int) -> np.ndarray:
    """Share (T,) of tests that give a sample of (T, n, F) to its class, out of `n_way` with one reference (T, F) each.

    Every test draws a sample and the other classes anew; nearest in Euclidean distance, a tie counts as wrong.
    """
    samples, references = as_float64(samples), as_float64(references)
    n_classes, n_samples, _ = samples.shape
    generator = np.random.default_rng(seed)
    found = []
    for index, of_class in enumerate(samples):
        distances = ((of_class[:, None] - references) ** 2).sum(-1)
        others = np.delete(np.arange(n_classes), index)
        ranks = generator.random((tests, len(others))).argsort(1)[:, : n_way - 1]
        sample = generator.integers(n_samples, size=tests)
        nearest_other = distances[sample[:, None], others[ranks]].min(1)
        found.append((distances[sample, index] < nearest_other).mean())
    return np.array(found)


def diversity(features: np.ndarray) -> np.ndarray:
    """Standard deviation of a class's samples, a mean over features: (T, n, F) -> (T,)."""
    return as_float64(features).std(1, ddof=1).mean(-1)


def relative(point: Mapping[str, Any], people: Mapping[str, Any]) -> dict[str, float]:
    """Both coordinates in units of people's, and the distance to people in them."""
    x, y = (point[name]["mean"] / people[name]["mean"] for name in ("diversity", "recognisability"))
    return {"diversity": x, "recognisability": y, "distance": float(np.hypot(x - 1, y - 1))}


def black_and_white(images: Tensor, size: int) -> Tensor:
    """Images (T, n, C, H, W) at another size, each stretched to the whole range and cut in the middle of it."""
    resized = F.interpolate(images.flatten(0, 1), (size, size), mode="bilinear", antialias=True)
    lowest, highest = (bound.view(-1, 1, 1, 1) for bound in resized.flatten(1).aminmax(dim=1))
    return (resized > (lowest + highest) / 2).float().unflatten(0, images.shape[:2])


def jittered(domain: Domain, images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (T, n, C, H, W), each moved at random as far as the domain moves them."""
    return domain.move_at_random(images.flatten(0, 1), generator).unflatten(0, images.shape[:2])


def noise_with_as_much_ink(drawings: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """(T, n, C, S, S) of pixels that are 1 as often as those of drawings (T, m, C, S, S)."""
    shape = (len(drawings), n, *drawings.shape[2:])
    return (torch.rand(shape, generator=generator) < drawings.mean()).float()


def _point(images: Tensor, references: np.ndarray, critics: Critics, settings: OneShot, seed: int) -> dict[str, Any]:
    n_way, tests = settings.plane.n_way, settings.plane.tests
    recognised = recognisability(embed_images(critics.recognition, images), references, n_way, tests, seed)
    return {
        "recognisability": mean_and_ci95(100 * recognised),
        "diversity": mean_and_ci95(diversity(embed_images(critics.contrast, images))),
    }
