"""Query images and what an attack made of them, as the report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metagan.domains.image import tile
from metagan.errors import UserError
from metagan.reporting.figures import data_uri


@dataclass(frozen=True)
class AttackedPicture:
    """A query image and its attacked copy as image sources, with the true and both predicted labels."""

    clean: str
    attacked: str
    label: int
    clean_prediction: int
    attacked_prediction: int


def check_attacked_pictures(pictures: Mapping[str, np.ndarray], n_models: int) -> None:
    names = ("clean", "attacked", "label", "clean_prediction", "attacked_prediction", "eps")
    if missing := [name for name in names if name not in pictures]:
        raise UserError(f"robustness_pictures lacks {', '.join(missing)}")
    clean = pictures["clean"]
    if clean.ndim != 5 or clean.shape[0] != n_models or clean.shape[2] not in (1, 3) or clean.dtype != np.uint8:
        raise UserError(
            f"robustness_pictures.clean must be uint8 ({n_models}, P, 1 or 3, H, W), got {clean.dtype} {clean.shape}"
        )
    attacked = pictures["attacked"]
    if attacked.shape != clean.shape or attacked.dtype != np.uint8:
        raise UserError(
            f"robustness_pictures.attacked must be uint8 {clean.shape}, got {attacked.dtype} {attacked.shape}"
        )
    for name in names[2:]:
        expected = clean.shape[:1] if name == "eps" else clean.shape[:2]
        if pictures[name].shape != expected:
            raise UserError(
                f"robustness_pictures.{name} must be {expected}, got {pictures[name].dtype} {pictures[name].shape}"
            )


def attacked_pictures(pictures: Mapping[str, np.ndarray], index: int, on_paper: bool) -> tuple[AttackedPicture, ...]:
    names = ("clean", "attacked", "label", "clean_prediction", "attacked_prediction")
    clean, attacked, *labels = (pictures[name][index] for name in names)
    return tuple(
        AttackedPicture(_source(before, on_paper), _source(after, on_paper), *map(int, numbers))
        for before, after, *numbers in zip(clean, attacked, *labels, strict=True)
    )


def _source(image: np.ndarray, on_paper: bool) -> str:
    return data_uri(tile(image[None], on_paper, columns=1))
