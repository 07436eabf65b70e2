"""Nodes that adapt the trained meta-model to a person's own pictures."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metagan.domains.image import resized, tile
from metagan.evaluation.adapted_distance import energy_distances
from metagan.evaluation.familiarity import familiarity, unlike_files
from metagan.evaluation.near_copies import QUANTILE, near_copies
from metagan.identity import made_from, together
from metagan.io.adapted_candidate import adapted_candidate
from metagan.io.registry import Candidate
from metagan.parameters import Adapt
from metagan.reporting.figures import adaptation_frames, picture_grid, spread_picture
from metagan.tasks.bank import TaskBank
from metagan.tasks.own_pictures import read_own_pictures
from metagan.training.adapted_generator import adapt_generator
from metagan.training.embedder import load_embedder
from metagan.training.saved import EmbedderHeader, GanHeader, GeneratorHeader, SavedModel

Images = dict[str, NDArray[np.uint8]]

logger = logging.getLogger(__name__)


def adapt(
    meta_model: SavedModel[GanHeader],
    evaluation_embedder: SavedModel[EmbedderHeader],
    bank: TaskBank,
    settings: dict[str, Any],
    seed: int,
) -> tuple[SavedModel[GeneratorHeader], dict[str, Any], Images]:
    """The adapted generator, a small table, and `pictures` and `samples` by step, as bright or dark as was given."""
    origin = together(
        "adapt",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        meta_model=meta_model.identity("meta_model"),
    )
    wanted = Adapt.model_validate(settings)
    meta_model.check_kind("meta_model")
    own = read_own_pictures(wanted, bank, meta_model.header.shots.fewest)
    meta_model.header.tell_of_many("adapt.images", len(own.files))
    pictures, support = own.images, bank.domain.to_tensor(own.images)
    generator, samples = adapt_generator(
        meta_model, support, wanted.steps, wanted.samples, seed, own.turned, temperature=wanted.temperature
    )
    embedder = load_embedder(evaluation_embedder, bank)
    familiar = familiarity(embedder, bank, support, seed)
    copies = near_copies(embedder, bank, samples[-1], support, seed)
    logger.info(
        "%d of %d samples are near copies of the pictures (real images: %.0f%%)",
        copies.count,
        wanted.samples,
        100 * QUANTILE,
    )
    table = {
        "made_from": origin | generator.identity("adapted_generator"),
        "content_hash": hashlib.sha256(pictures.tobytes()).hexdigest(),
        "images": len(pictures),
        "inverted": int(own.inverted.sum()),
        "side": own.side,
        "steps": wanted.steps,
        "samples": wanted.samples,
        "seconds": generator.header.provenance.seconds,
        "distance": familiar.distance,
        "distance_limit": familiar.limit,
        "unfamiliar": familiar.distance > familiar.limit,
        "unlike": unlike_files(familiar, own.files, own.files[0].parent),
        "near_copies": copies.count,
        "near_copy_distance": copies.limit,
        "energy_distance": energy_distances(embedder, samples, support),
    }
    drawn = {"pictures": pictures, "samples": bank.domain.to_stored(samples)}
    return generator, table, {name: 255 - images if own.turned else images for name, images in drawn.items()}


def draw(
    images: Images, adaptation: dict[str, Any]
) -> tuple[dict[str, Image.Image], dict[str, Image.Image], Image.Image, Image.Image, list[Image.Image]]:
    """The last samples one by one, as they were drawn and at the size of the pictures; as a grid; how much they differ;
    and the frames of the adaptation."""
    last, side = images["samples"][-1], adaptation["side"]
    names = [f"{number:03}" for number in range(len(last))]
    drawn = {name: tile(image[None], on_paper=False, columns=1) for name, image in zip(names, last, strict=True)}
    full_size = {name: resized(image, side) for name, image in zip(names, last, strict=True)}
    spread = spread_picture(images["pictures"], last)
    return drawn, full_size, picture_grid(last), spread, adaptation_frames(images["pictures"], images["samples"])


def metrics(adaptation: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The table as MLflow metrics `adapt/<name>`; the energy distance has the adaptation step as step."""
    single = ("images", "seconds", "distance", "distance_limit", "unfamiliar", "near_copies", "near_copy_distance")
    return {f"adapt/{name}": [{"value": float(adaptation[name]), "step": 0}] for name in single} | {
        "adapt/energy_distance": [
            {"value": value, "step": step} for step, value in enumerate(adaptation["energy_distance"])
        ]
    }


def generator_candidate(
    generator: SavedModel[GeneratorHeader],
    adaptation: dict[str, Any],
    evaluation_embedder: SavedModel[EmbedderHeader],
    settings: dict[str, Any],
) -> Candidate:
    """The adapted generator for the registry, by the name of the folder of pictures."""
    together(
        "register_adapted_generator",
        adapted_generator=generator.identity("adapted_generator"),
        adaptation=made_from("adaptation", adaptation),
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
    )
    facts = {
        "distance to the training": adaptation["distance"],
        "distance of 99 of 100 val tasks": adaptation["distance_limit"],
    }
    own = Adapt.model_validate(settings).images
    count, samples = adaptation["images"], adaptation["samples"]
    return adapted_candidate(generator, own, count, samples, adaptation, evaluation_embedder, facts)
