"""Replay of a few classes of each earlier segment, chosen among all that were seen (arXiv 1902.10486)."""

from __future__ import annotations

import torch

from metagan.training.continual.base import REPLAYED, SEGMENTS, Kind, Memory, Segment, appended, stored


def _remember(memory: Memory, segment: Segment) -> Memory:
    images = stored(segment.domain, segment.classes(segment.settings.reservoir.tasks))
    numbers = torch.full((len(images),), segment.number)
    return {REPLAYED: appended(memory, REPLAYED, images), SEGMENTS: appended(memory, SEGMENTS, numbers)}


reservoir = Kind(_remember)
