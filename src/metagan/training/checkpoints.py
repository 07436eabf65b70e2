"""Lightning checkpoints that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from metagan.files import replaced


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes to a temporary name, then renames; loads tensors and plain values only."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: None = None
    ) -> None:
        with replaced(Path(path)) as temporary:
            torch.save(checkpoint, temporary)
