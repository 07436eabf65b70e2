"""Saved models as a Kedro dataset."""

from __future__ import annotations

from pickle import UnpicklingError

import torch

from metagan.errors import UserError
from metagan.files import replaced, save_tensors
from metagan.io.local import LocalDataset
from metagan.training.saved import Header, SavedModel, saved_model


class WeightsDataset(LocalDataset[SavedModel[Header], SavedModel[Header]]):
    """Written by `torch.save`, read with `weights_only=True` on the CPU."""

    def load(self) -> SavedModel[Header]:
        try:
            content = torch.load(self._filepath, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise UserError(f"there is no {self._filepath}: train it, with kedro run") from None
        except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
            raise UserError(f"{self._filepath}: damaged, or no checkpoint of metagan; train again") from error
        try:
            return saved_model(content)
        except UserError as error:
            raise UserError(f"{self._filepath}: {error}") from None

    def save(self, data: SavedModel[Header]) -> None:
        with replaced(self._filepath) as temporary:
            save_tensors(data.as_content(), temporary)
