"""Nodes that adapt the trained meta-model to a person's own recordings."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from PIL import Image

from metagan.domains.sound import Sound, sound_of
from metagan.evaluation.adapted_distance import energy_distances
from metagan.evaluation.familiarity import familiarity, unlike_files
from metagan.evaluation.near_copies import QUANTILE, near_copies
from metagan.identity import made_from, together
from metagan.io.adapted_candidate import adapted_candidate
from metagan.io.registry import Candidate
from metagan.parameters import Adapt
from metagan.reporting.listening import sound_check
from metagan.tasks.bank import TaskBank
from metagan.tasks.own_recordings import read_own_recordings
from metagan.training.adapted_generator import adapt_generator
from metagan.training.embedder import load_embedder
from metagan.training.saved import EmbedderHeader, GanHeader, GeneratorHeader, SavedModel

logger = logging.getLogger(__name__)


def adapt(
    meta_model: SavedModel[GanHeader],
    evaluation_embedder: SavedModel[EmbedderHeader],
    bank: TaskBank,
    settings: dict[str, Any],
    seed: int,
) -> tuple[SavedModel[GeneratorHeader], dict[str, Sound], dict[str, Any], Image.Image]:
    """The adapted generator, sounds by the names of their files, a small table, and the spectrograms of recordings
    above those of samples."""
    origin = together(
        "adapt_speech",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        meta_model=meta_model.identity("meta_model"),
    )
    wanted = Adapt.model_validate(settings)
    meta_model.check_kind("meta_model")
    own = read_own_recordings(wanted, bank, meta_model.header.shots.fewest)
    meta_model.header.tell_of_many("adapt.audio", len(own.files))
    support = bank.domain.to_tensor(own.examples)
    generator, drawn = adapt_generator(
        meta_model, support, wanted.steps, wanted.samples, seed, temperature=wanted.temperature
    )
    samples = bank.domain.to_stored(drawn[-1])
    sounds = {f"{number:03}": sound_of(sample, seed) for number, sample in enumerate(samples)}
    embedder = load_embedder(evaluation_embedder, bank)
    familiar = familiarity(embedder, bank, support, seed)
    copies = near_copies(embedder, bank, drawn[-1], support, seed)
    logger.info(
        "%d of %d samples are near copies of the recordings (real ones: %.0f%%)",
        copies.count,
        len(samples),
        100 * QUANTILE,
    )
    table = {
        "made_from": origin | generator.identity("adapted_speech_generator"),
        "content_hash": hashlib.sha256(own.examples.tobytes()).hexdigest(),
        "recordings": len(own.files),
        "steps": wanted.steps,
        "samples": len(samples),
        "adaptation_seconds": generator.header.provenance.seconds,
        "distance": familiar.distance,
        "distance_limit": familiar.limit,
        "unlike": unlike_files(familiar, own.files, own.files[0].parent),
        "near_copies": copies.count,
        "near_copy_distance": copies.limit,
        "energy_distance": energy_distances(embedder, drawn, support),
        **sound_check(list(sounds.values())),
    }
    return generator, sounds, table, _picture(bank, own.examples, samples)


def _picture(bank: TaskBank, recordings: Any, samples: Any) -> Image.Image:
    """The recordings in rows of eight, a gap, and the samples."""
    above, below = (bank.domain.picture(part, True, 8) for part in (recordings, samples))
    gap = below.height // -(-len(samples) // 8) // 2
    canvas = Image.new("L", (below.width, above.height + gap + below.height), 255)
    canvas.paste(above.crop((0, 0, min(above.width, below.width), above.height)), (0, 0))
    canvas.paste(below, (0, above.height + gap))
    return canvas.resize((2 * canvas.width, 2 * canvas.height), Image.Resampling.NEAREST)


def metrics(adapted_speech: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The table as MLflow metrics `adapt/<name>`."""
    single = ("recordings", "adaptation_seconds", "distance", "distance_limit", "near_copies", "seconds", "level")
    return {f"adapt/{name}": [{"value": float(adapted_speech[name]), "step": 0}] for name in single}


def generator_candidate(
    generator: SavedModel[GeneratorHeader],
    adapted_speech: dict[str, Any],
    evaluation_embedder: SavedModel[EmbedderHeader],
    settings: dict[str, Any],
) -> Candidate:
    """The adapted generator for the registry, by the name of the folder of recordings."""
    together(
        "register_adapted_speech_generator",
        adapted_speech_generator=generator.identity("adapted_speech_generator"),
        adapted_speech=made_from("adapted_speech", adapted_speech),
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
    )
    facts = {
        "distance to the training": adapted_speech["distance"],
        "distance of 99 of 100 val tasks": adapted_speech["distance_limit"],
    }
    own = Adapt.model_validate(settings).audio
    count, samples = adapted_speech["recordings"], adapted_speech["samples"]
    return adapted_candidate(generator, own, count, samples, adapted_speech, evaluation_embedder, facts)
