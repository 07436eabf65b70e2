"""Checkpoints (dictionaries of tensors and plain values) as a Kedro dataset."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any

import torch

from metagan.errors import UserError
from metagan.files import replaced, save_tensors
from metagan.io.local import LocalDataset


class WeightsDataset(LocalDataset[dict[str, Any], dict[str, Any]]):
    """Written by `torch.save`, read with `weights_only=True` on the CPU."""

    def load(self) -> dict[str, Any]:
        try:
            payload = torch.load(self._filepath, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise UserError(f"there is no {self._filepath}: train it, with kedro run") from None
        except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
            raise UserError(f"{self._filepath}: damaged, or no checkpoint of metagan; train again") from error
        if not isinstance(payload, dict) or "kind" not in payload:
            raise UserError(f"{self._filepath}: no checkpoint of metagan, it has no 'kind'; train again")
        return payload

    def save(self, data: dict[str, Any]) -> None:
        with replaced(self._filepath) as temporary:
            save_tensors(data, temporary)
