"""Replay of tasks whose images the model draws: after each segment it is adapted to a few kept images of every earlier
class, those of earlier segments too (deep generative replay, Shin et al. 2017, arXiv 1705.08690)."""

from __future__ import annotations

import torch

from metagan.training.continual.base import REPLAYED, SEGMENTS, Kind, Memory, Segment, appended, stored

KEPT = "kept"


def _remember(memory: Memory, segment: Segment) -> Memory:
    """A class has the images that are kept, and as many drawn ones as a task lacks."""
    domain, wanted = segment.domain, segment.settings.generated
    images = segment.classes(wanted.classes)
    kept = appended(memory, KEPT, stored(domain, images[:, : wanted.images]))
    shown = domain.to_tensor(kept.flatten(0, 1).numpy()).unflatten(0, kept.shape[:2])
    drawn = segment.draw(shown, images.shape[1] - wanted.images)
    numbers = torch.full((len(images),), segment.number)
    replayed = stored(domain, torch.cat([shown, drawn], 1))
    return {KEPT: kept, REPLAYED: replayed, SEGMENTS: appended(memory, SEGMENTS, numbers)}


generated = Kind(_remember)
