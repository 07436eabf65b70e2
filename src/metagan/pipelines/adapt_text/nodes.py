"""Nodes that adapt the trained meta-model to a person's own lines."""

from __future__ import annotations

import hashlib
import logging
from time import perf_counter
from typing import Any

from metagan.identity import together
from metagan.parameters import Adapt
from metagan.tasks.bank import TaskBank
from metagan.tasks.own_lines import read_own_lines
from metagan.training.own_words import new_lines
from metagan.training.saved import GanHeader, SavedModel

logger = logging.getLogger(__name__)


def adapt(
    meta_model: SavedModel[GanHeader], bank: TaskBank, settings: dict[str, Any], seed: int
) -> tuple[str, dict[str, Any]]:
    """As many new lines as were given, and a table."""
    origin = together("adapt_text", task_bank=bank.identity, meta_model=meta_model.identity("meta_model"))
    wanted, started = Adapt.model_validate(settings), perf_counter()
    lines = read_own_lines(wanted, bank)
    found = new_lines(meta_model, lines, wanted.steps, seed, wanted.temperature)
    logger.info(
        "%d new lines after %d; of %d that were drawn %.0f%% are new",
        len(found.lines), len(lines), found.drawn, 100 * found.share_new,
    )  # fmt: skip
    text = "".join(f"{line}\n" for line in found.lines)
    return text, {
        "made_from": origin,
        "content_hash": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        "given": len(lines),
        "parts": found.parts,
        "steps": wanted.steps,
        "drawn": found.drawn,
        "share_new": found.share_new,
        "written": len(found.lines),
        "seconds": perf_counter() - started,
    }


def metrics(adapted_words: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The table as MLflow metrics `adapt/<name>`."""
    single = ("given", "parts", "drawn", "share_new", "written", "seconds")
    return {f"adapt/{name}": [{"value": float(adapted_words[name]), "step": 0}] for name in single}
