"""Replay of tasks whose images the model draws: after each segment it is adapted to a few kept images of every earlier
class, those of earlier segments too (deep generative replay, Shin et al. 2017, arXiv 1705.08690)."""

from __future__ import annotations

import torch

from metagan.training.continual.base import REPLAYED, Kind, Memory, Segment, stored

KEPT = "kept"


def _remember(memory: Memory, seen: Segment) -> Memory:
    """A task's images are those kept, and as many drawn as it lacks."""
    domain, wanted = seen.stream.bank.domain, seen.settings.generated
    own = torch.stack([images[: wanted.images] for images in seen.classes(wanted.classes)])
    kept = torch.cat([memory[KEPT], stored(domain, own)]) if memory else stored(domain, own)
    shown = domain.to_tensor(kept.flatten(0, 1).numpy()).unflatten(0, kept.shape[:2])
    drawn = seen.draw(shown, seen.images_of_a_task - wanted.images)
    return {KEPT: kept, REPLAYED: stored(domain, torch.cat([shown, drawn], 1))}


generated = Kind(_remember)
