"""How far the samples of an adapted generator are from what it was adapted to."""

from __future__ import annotations

import torch
from torch import Tensor

from metagan.evaluation.features import Embed, embed_images
from metagan.losses.distances import energy_distance


def energy_distances(embed: Embed, samples: Tensor, support: Tensor) -> list[float]:
    """Of each set of samples (S, n, C, H, W) to the support set (K, C, H, W), in features."""
    support = support.repeat(2, 1, 1, 1) if len(support) == 1 else support  # one alone has no distances within
    real, *made = (torch.from_numpy(embed_images(embed, examples)) for examples in (support, *samples))
    return [energy_distance(features, real).item() for features in made]
