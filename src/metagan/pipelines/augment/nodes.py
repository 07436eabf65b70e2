"""Nodes that make samples of a person's own classes, and say whether they help."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from metagan.domains.image import resized
from metagan.evaluation.familiarity import familiarity, unlike_files
from metagan.evaluation.held_back import TRAINING_SETS, held_back_use
from metagan.evaluation.near_copies import QUANTILE, copy_limit, nearest
from metagan.files import shown
from metagan.identity import together
from metagan.parameters import Augment
from metagan.places import check_augment
from metagan.reporting.augmentation import sentence
from metagan.reporting.figures import picture_grid
from metagan.sample_folder import check_space, writing
from metagan.tasks.bank import TaskBank
from metagan.tasks.own_pictures import OwnPictures, read_own_classes
from metagan.training.augmentation import Batch, samples_of_class
from metagan.training.embedder import load_embedder
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel

MOST_TRIED = 48
"""Samples of a class that the classifiers are trained on: further ones change little."""
GRID_CLASSES, GRID_COLUMNS = 16, 8

Classes = Mapping[str, OwnPictures]

logger = logging.getLogger(__name__)


class Sample(NamedTuple):
    """A sample, uint8 (C, H, W), as bright or dark as the pictures, and where it is from."""

    image: NDArray[np.uint8]
    sources: list[str]
    seed: int
    near_copy: bool


def augment(
    meta_model: SavedModel[GanHeader],
    evaluation_embedder: SavedModel[EmbedderHeader],
    bank: TaskBank,
    default_output: Path,
    settings: dict[str, Any],
    seed: int,
) -> tuple[dict[str, Any], Image.Image]:
    """Writes the folder of samples; gives a table of what it holds and whether it helps, and a picture of some."""
    origin = together(
        "augment",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        meta_model=meta_model.identity("meta_model"),
    )
    wanted, started = Augment.model_validate(settings), perf_counter()
    check_augment(wanted, default_output)
    meta_model.check_kind("meta_model")
    output = (wanted.output or default_output).resolve()
    classes = read_own_classes(wanted, bank, meta_model.header.shots.fewest)
    pixels = wanted.samples * bank.example.shape[0] * sum(own.side**2 for own in classes.values())
    logger.info("%s", check_space(output, pixels, wanted.samples * len(classes)))
    embedder = load_embedder(evaluation_embedder, bank)
    unlike = _unlike(embedder, bank, classes, seed)
    use = _use(meta_model, bank, classes, wanted, seed)
    copies, grid = _write(output, meta_model, embedder, bank, classes, wanted, seed)
    table = {
        "made_from": origin,
        "output": shown(output),
        "steps": wanted.steps,
        "samples": wanted.samples,
        "seconds": perf_counter() - started,
        "classes": _described(classes, copies),
        "unlike": unlike,
        "use": use,
        "told": sentence(use),
    }
    real, count = 100 * QUANTILE, wanted.samples * len(classes)
    logger.info("%d of %d samples are near copies (of real images, %.0f%%)", sum(copies.values()), count, real)
    logger.info("%s They are in %s", table["told"], table["output"])
    return table, grid


def _described(classes: Classes, copies: Mapping[str, int]) -> dict[str, dict[str, int]]:
    return {
        shown(name): {
            "pictures": len(own.files),
            "inverted": int(own.inverted.sum()),
            "side": own.side,
            "near_copies": copies[name],
        }
        for name, own in classes.items()
    }


def metrics(augmentation: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The table as MLflow metrics `augment/<name>`."""
    classes, use = augmentation["classes"].values(), augmentation["use"]
    values = {
        "classes": len(classes),
        "samples": augmentation["samples"],
        "seconds": augmentation["seconds"],
        "near_copies": sum(of_class["near_copies"] for of_class in classes) / (len(classes) * augmentation["samples"]),
    }
    if use:
        values |= {f"use/{name}": use[name] for name in TRAINING_SETS} | {"use/gain": use["gain"]["mean"]}
    return {f"augment/{name}": [{"value": float(value), "step": 0}] for name, value in values.items()}


def _unlike(embedder: nn.Module, bank: TaskBank, classes: Classes, seed: int) -> list[str]:
    """The pictures that are unlike what the model was trained on, by class folder and name."""
    pictures = bank.domain.to_tensor(np.concatenate([own.images for own in classes.values()]))
    files = [file for own in classes.values() for file in own.files]
    return unlike_files(familiarity(embedder, bank, pictures, seed), files, files[0].parents[1])


def _use(
    meta_model: SavedModel[GanHeader], bank: TaskBank, classes: Classes, wanted: Augment, seed: int
) -> dict[str, Any] | None:
    """What `held_back_use` measures, with samples as they would be stored; says which classes have no part in it."""
    pictures = [bank.domain.to_tensor(own.images) for own in classes.values()]

    def draw(index: int, left: Tensor, part: int) -> Tensor:
        n = min(wanted.samples, MOST_TRIED)
        batches = samples_of_class(meta_model, left, wanted.steps, n, (seed, 1 + part, index))
        samples = torch.cat([batch.samples for batch in batches])
        return bank.domain.to_tensor(bank.domain.to_stored(samples))

    use = held_back_use(bank.domain, pictures, draw, meta_model.header.shots.fewest, wanted.judge_steps, seed)
    if use and (few := [shown(name) for name, held in zip(classes, use["held_back"], strict=True) if not held]):
        logger.warning(
            "augment.images: of %s no picture can be held back, since too few would be left; whether samples help is "
            "measured on the other classes",
            ", ".join(few),
        )
    return use


def _write(
    output: Path,
    meta_model: SavedModel[GanHeader],
    embedder: nn.Module,
    bank: TaskBank,
    classes: Classes,
    wanted: Augment,
    seed: int,
) -> tuple[dict[str, int], Image.Image]:
    """How many near copies each class has, and a picture of the first samples of the first classes."""
    copy_distance = cache(lambda k_shot: copy_limit(embedder, bank, k_shot, seed))
    copies, first = Counter(dict.fromkeys(classes, 0)), []
    digits = max(3, len(str(wanted.samples - 1)))
    with writing(output) as (folder, table):
        for index, (name, own) in enumerate(tqdm(classes.items(), "augmenting", unit="class")):
            (folder / name).mkdir()
            pictures, side = bank.domain.to_tensor(own.images), own.side
            batches = samples_of_class(meta_model, pictures, wanted.steps, wanted.samples, (seed, 0, index))
            for number, sample in enumerate(_samples(batches, embedder, bank, own, copy_distance)):
                file = Path(name, f"{number:0{digits}}.png")
                resized(sample.image, side).save(folder / file)
                table.writerow(
                    {
                        "file": shown(file),
                        "class": shown(name),
                        "sources": json.dumps(sample.sources, ensure_ascii=False),
                        "model": meta_model.content_hash,
                        "seed": sample.seed,
                        "step": wanted.steps,
                        "near_copy": sample.near_copy,
                    }
                )
                copies[name] += sample.near_copy
                if index < GRID_CLASSES and number < GRID_COLUMNS:
                    first.append(sample.image)
    return copies, picture_grid(np.stack(first), min(wanted.samples, GRID_COLUMNS))


def _samples(
    batches: Iterable[Batch],
    embedder: nn.Module,
    bank: TaskBank,
    own: OwnPictures,
    copy_distance: Callable[[int], float],
) -> Iterator[Sample]:
    """Each sample of the batches, looked at beside the pictures that it was made from."""
    for batch in batches:
        sources = [shown(own.files[number].name) for number in batch.sources]
        pictures = bank.domain.to_tensor(own.images[list(batch.sources)])
        stored = bank.domain.to_stored(batch.samples)
        is_copy = nearest(embedder, bank.domain.to_tensor(stored), pictures) < copy_distance(len(sources))
        for image, near in zip(255 - stored if own.turned else stored, is_copy.tolist(), strict=True):
            yield Sample(image, sources, batch.seed, near)
