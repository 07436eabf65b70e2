"""Tiny models as trainings leave them, with random weights."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from metagan.domains import DOMAINS, stored_example
from metagan.domains.sound import RATE, Sound, spectrogram
from metagan.domains.spelling import LONGEST, encoded
from metagan.parameters import ClassifierSettings, GanArchitecture, InnerLoop
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import ClassRecord
from metagan.training.adapted_generator import adapt_generator, joined
from metagan.training.classifier import architecture_of, initial_classifier
from metagan.training.classifier_training import with_statistics
from metagan.training.gan import initial_gan
from metagan.training.saved import ClassifierHeader, GanHeader, GeneratorHeader, Provenance, SavedModel

SIZE = 16


def decoded(files: list[str]) -> Tensor:
    """Grey PNG files, which may be of one colour, as images (n, 1, H, W) in [0, 1]."""
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(file)))) for file in files]
    return torch.from_numpy(np.stack(pictures))[:, None] / 255


@pytest.fixture(scope="session")
def meta_model() -> SavedModel[GanHeader]:
    networks = {"generator_width": 8, "discriminator_width": 8, "noise_size": 4, "largest_shift": 1}
    architecture = GanArchitecture(shape=(1, SIZE, SIZE), **networks)
    gan = initial_gan(architecture, InnerLoop(steps=2), 0)
    gan.parameters["generator.noise.weight"] *= 30  # so loud that no two samples are alike
    return gan.save("meta_model", Provenance())


def meta_model_of(domain: str) -> SavedModel[GanHeader]:
    """Of sounds or of words."""
    shape = {"speech": (1, SIZE, SIZE), "text": (LONGEST,)}[domain]
    networks = {"generator_width": 8, "discriminator_width": 8, "noise_size": 16, "encoder": True}
    adapted = "memory|code|bias|head" if domain == "text" else "all"
    architecture = GanArchitecture(domain=domain, shape=shape, **networks)
    gan = initial_gan(architecture, InnerLoop(steps=2, adapt_parameters=adapted), 0)
    if domain == "speech":
        gan.parameters["generator.noise.weight"] *= 30  # as above
    return gan.save("meta_model", Provenance())


WORDS = ("maruba", "kitolu", "nesora", "belimo")


def melodies() -> list[Sound]:
    """Three tones that rise, a third of a second long."""
    times = np.arange(RATE // 3) / RATE
    return [(0.3 * np.sin(2 * np.pi * pitch * times * (1 + times))).astype(np.float32) for pitch in (300, 320, 340)]


@pytest.fixture(scope="session")
def sounding(speaking: SavedModel[GanHeader]) -> SavedModel[GeneratorHeader]:
    """A generator of sounds."""
    spectrograms = np.stack([spectrogram(sound, SIZE) for sound in melodies()])
    return adapt_generator(speaking, DOMAINS["speech"].to_tensor(spectrograms), 2, 1, 0, progress=False)[0]


@pytest.fixture(scope="session")
def speaking() -> SavedModel[GanHeader]:
    return meta_model_of("speech")


@pytest.fixture(scope="session")
def writing() -> SavedModel[GanHeader]:
    return meta_model_of("text")


@pytest.fixture(scope="session")
def wording(writing: SavedModel[GanHeader]) -> SavedModel[GeneratorHeader]:
    """A generator of words in two parts, which remember different ones."""
    parts = [DOMAINS["text"].to_tensor(encoded(part)) for part in (WORDS[:3], WORDS[3:])]
    return joined([adapt_generator(writing, part, 2, 1, 0, progress=False)[0] for part in parts])


@pytest.fixture(scope="session")
def pictures() -> Tensor:
    """Three images whose pixels are whole levels of 255, as a PNG can hold them."""
    return torch.randint(256, (3, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(0)) / 255


@pytest.fixture(scope="session")
def generator(meta_model: SavedModel[GanHeader], pictures: Tensor) -> SavedModel[GeneratorHeader]:
    return adapt_generator(meta_model, pictures, 2, 1, 0, progress=False)[0]


@pytest.fixture(scope="session")
def classifier() -> SavedModel[ClassifierHeader]:
    """A prototypical network."""
    settings = ClassifierSettings.model_validate({"n_way": 2, "n_query": 2, "network": {"width": 8}})
    images = np.random.default_rng(0).integers(0, 256, (12, 1, SIZE, SIZE), np.uint8)
    classes = tuple(ClassRecord(f"class {number}", "group", "train", 4) for number in range(3))
    bank = TaskBank(images, np.arange(4) * 4, classes, "noise", stored_example("image", (1, SIZE, SIZE)), "hash")
    learner, _, state = initial_classifier(bank, settings, 0)
    header = ClassifierHeader(architecture=architecture_of(bank, settings), settings=settings)
    return SavedModel(header, with_statistics(state, learner, bank, settings, 0))
