"""Query examples and what an attack made of them, as the report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metagan.errors import UserError
from metagan.parameters import StoredExample
from metagan.reporting.figures import data_uri, picture_of


@dataclass(frozen=True)
class AttackedPicture:
    """A query example and its attacked copy as image sources, with the true and both predicted labels."""

    clean: str
    attacked: str
    label: int
    clean_prediction: int
    attacked_prediction: int


@dataclass(frozen=True)
class Attacked:
    """For M models, stored examples `clean` and `attacked` (M, P, *shape), integer `label`, `clean_prediction` and
    `attacked_prediction` (M, P), and `eps` (M,), the L-infinity radius of the PGD attack; and what an example is."""

    arrays: Mapping[str, np.ndarray]
    example: StoredExample


def check_attacked(found: Attacked, n_models: int) -> None:
    """Raise UserError for what is missing or of another shape."""
    pictures, dtype, shape = found.arrays, found.example.dtype, found.example.shape
    names = ("clean", "attacked", "label", "clean_prediction", "attacked_prediction", "eps")
    if missing := [name for name in names if name not in pictures]:
        raise UserError(f"robustness_pictures lacks {', '.join(missing)}")
    clean = pictures["clean"]
    if clean.dtype != dtype or clean.shape != (n_models, *clean.shape[1:2], *shape):
        wanted = ", ".join(map(str, (n_models, "P", *shape)))
        raise UserError(f"robustness_pictures.clean must be {dtype} ({wanted}), got {clean.dtype} {clean.shape}")
    attacked = pictures["attacked"]
    if attacked.shape != clean.shape or attacked.dtype != dtype:
        raise UserError(
            f"robustness_pictures.attacked must be {dtype} {clean.shape}, got {attacked.dtype} {attacked.shape}"
        )
    for name in names[2:]:
        expected = clean.shape[:1] if name == "eps" else clean.shape[:2]
        if pictures[name].shape != expected:
            raise UserError(
                f"robustness_pictures.{name} must be {expected}, got {pictures[name].dtype} {pictures[name].shape}"
            )


def attacked_pictures(found: Attacked, index: int) -> tuple[AttackedPicture, ...]:
    """Those of one model."""
    names = ("clean", "attacked", "label", "clean_prediction", "attacked_prediction")
    clean, attacked, *labels = (found.arrays[name][index] for name in names)
    return tuple(
        AttackedPicture(_source(found.example, before), _source(found.example, after), *map(int, numbers))
        for before, after, *numbers in zip(clean, attacked, *labels, strict=True)
    )


def _source(example: StoredExample, stored: np.ndarray) -> str:
    return data_uri(picture_of(example, stored[None], 1))
