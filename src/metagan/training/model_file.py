"""A saved model in a file: read without running code, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from metagan.errors import UserError
from metagan.files import replaced, save_tensors
from metagan.training.saved import Header, SavedModel, saved_model


def load(file: Path | str) -> SavedModel[Header]:
    """The model, on the CPU. Raises UserError where there is none, for a damaged one, and for one of another format."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there is no {file}: train it, with kedro run") from None
    except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{file}: damaged, or no checkpoint of metagan; train again") from error
    try:
        return saved_model(content)
    except UserError as error:
        raise UserError(f"{file}: {error}") from None


def save(model: SavedModel[Any], file: Path | str) -> None:
    """Write what `load` reads, in the place of what is there. Raises OSError that names the file on a full disk."""
    with replaced(Path(file)) as temporary:
        save_tensors(model.as_content(), temporary)
