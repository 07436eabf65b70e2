"""Nodes that adapt the trained meta-model to a person's own lines."""

from __future__ import annotations

import hashlib
import logging
from time import perf_counter
from typing import Any

from metagan.domains.spelling import encoded
from metagan.evaluation.adapted_distance import energy_distances
from metagan.identity import made_from, together
from metagan.io.adapted_candidate import adapted_candidate
from metagan.io.registry import Candidate
from metagan.parameters import Adapt
from metagan.tasks.bank import TaskBank
from metagan.tasks.own_lines import read_own_lines
from metagan.training.embedder import load_embedder
from metagan.training.own_words import new_lines
from metagan.training.saved import EmbedderHeader, GanHeader, GeneratorHeader, SavedModel

logger = logging.getLogger(__name__)


def adapt(
    meta_model: SavedModel[GanHeader],
    evaluation_embedder: SavedModel[EmbedderHeader],
    bank: TaskBank,
    settings: dict[str, Any],
    seed: int,
) -> tuple[SavedModel[GeneratorHeader], str, dict[str, Any]]:
    """The adapted generator, as many new lines as were given, and a table."""
    origin = together(
        "adapt_text",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        meta_model=meta_model.identity("meta_model"),
    )
    wanted, started = Adapt.model_validate(settings), perf_counter()
    lines = read_own_lines(wanted, bank)
    found = new_lines(meta_model, lines, wanted.steps, seed, wanted.temperature)
    logger.info(
        "%d new lines after %d; of %d that were drawn %.0f%% are new",
        len(found.lines), len(lines), len(found.drawn), 100 * found.share_new,
    )  # fmt: skip
    embedder, support = load_embedder(evaluation_embedder, bank), bank.domain.to_tensor(encoded(lines))
    text = "".join(f"{line}\n" for line in found.lines)
    return (
        found.generator,
        text,
        {
            "made_from": origin | found.generator.identity("adapted_text_generator"),
            "content_hash": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
            "given": len(lines),
            "parts": found.generator.header.parts,
            "steps": wanted.steps,
            "drawn": len(found.drawn),
            "share_new": found.share_new,
            "written": len(found.lines),
            "energy_distance": energy_distances(embedder, found.drawn[None], support),
            "seconds": perf_counter() - started,
        },
    )


def metrics(adapted_words: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The table as MLflow metrics `adapt/<name>`."""
    single = ("given", "parts", "drawn", "share_new", "written", "seconds")
    return {f"adapt/{name}": [{"value": float(adapted_words[name]), "step": 0}] for name in single}


def generator_candidate(
    generator: SavedModel[GeneratorHeader],
    adapted_words: dict[str, Any],
    evaluation_embedder: SavedModel[EmbedderHeader],
    settings: dict[str, Any],
) -> Candidate:
    """The adapted generator for the registry, by the name of the file of lines."""
    together(
        "register_adapted_text_generator",
        adapted_text_generator=generator.identity("adapted_text_generator"),
        adapted_words=made_from("adapted_words", adapted_words),
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
    )
    facts = {"adapted in parts": adapted_words["parts"], "share of samples that are new": adapted_words["share_new"]}
    own = Adapt.model_validate(settings).text
    given, drawn = adapted_words["given"], adapted_words["drawn"]
    return adapted_candidate(generator, own, given, drawn, adapted_words, evaluation_embedder, facts)
