"""What a script or a notebook calls, as `metagan.adapt` and so on: neither Kedro nor MLflow is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from metagan.configuration import read_parameters
from metagan.domains.image import to_bytes
from metagan.parameters import Adapt, RunSettings, merged, validate
from metagan.reporting.figures import picture_grid
from metagan.tasks.bank import TaskBank, open_bank, plan_bank
from metagan.tasks.own_pictures import read_own_pictures
from metagan.training.adapted_generator import adapt_generator, draw
from metagan.training.embedder import train_embedder
from metagan.training.meta_training import meta_train
from metagan.training.model_file import load, save
from metagan.training.saved import GanHeader, GeneratorHeader, SavedModel

__all__ = [
    "adapt",
    "load",
    "make_tasks",
    "open_tasks",
    "read_pictures",
    "read_settings",
    "sample",
    "save",
    "show",
    "train",
]

open_tasks = open_bank


def read_settings(conf: Path | str = "conf", env: str = "local", **changes: Any) -> RunSettings:
    """The parameters of a `kedro run --env`, with changes, such as `meta_train={"meta_steps": 100}`.

    Raises UserError for no such folder, and with a line for each bad parameter.
    """
    return validate(merged(read_parameters(Path(conf), env), changes))


def make_tasks(settings: RunSettings, folder: Path | str, raw_folder: Path | str = "data/01_raw") -> TaskBank:
    """Draw the tasks into a folder, in place of earlier ones; Omniglot is downloaded to `raw_folder`."""
    return plan_bank(settings.tasks, settings.seed, Path(raw_folder)).write(Path(folder))


def train(tasks: TaskBank, settings: RunSettings, folder: Path | str) -> SavedModel[GanHeader]:
    """Train the embedders and then the meta-model: the one that `kedro run` gives.

    An interrupted training goes on from `folder` when it is called again. Raises UserError for tasks of too few classes
    or images.
    """
    networks, seed = settings.embedder, settings.seed
    evaluation, objective = (
        train_embedder(tasks, network, seed) for network in (networks.evaluation, networks.objective)
    )
    trained, _ = meta_train(
        tasks, evaluation, objective, settings.meta_train, settings.trainer, seed, Path(folder), logger=None
    )
    return trained


def read_pictures(folder: Path | str, tasks: TaskBank) -> Tensor:
    """The pictures of one thing, (K, C, H, W) in [0, 1], of the size of the tasks' images and as bright on as dark.

    Raises UserError for no folder, no pictures, too many, and one that cannot be read.
    """
    own = read_own_pictures(Adapt(images=Path(folder)), tasks)
    return tasks.domain.to_tensor(own.images)


def adapt(
    model: SavedModel[GanHeader], pictures: Tensor, steps: int = 20, seed: int = 0
) -> SavedModel[GeneratorHeader]:
    """A generator of what the pictures (K, C, H, W) in [0, 1] show, after so many adversarial steps.

    The one that `make adapt` gives, where it is given as many steps and that seed. Raises UserError for pictures of
    another shape than the model draws, and when the adaptation diverges.
    """
    drawn_first = Adapt().samples  # from the noise that the steps go on with
    generator, _ = adapt_generator(model, pictures, steps, drawn_first, seed, progress=False, parameter="steps")
    return generator


def sample(generator: SavedModel[GeneratorHeader], n: int, seed: int = 0) -> Tensor:
    """Images (n, C, H, W) in [0, 1]; the same seed draws the same ones."""
    return draw(generator, n, seed)


def show(images: Tensor, columns: int = 8) -> Image.Image:
    """Images (n, C, H, W) in [0, 1] in rows of `columns`, enlarged."""
    return picture_grid(np.asarray(to_bytes(images)), columns)
