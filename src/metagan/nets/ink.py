"""Pixel values that can be exactly 0 and 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MARGIN = 0.08
FIRST_LOGIT = -2.0
"""What a generator draws everywhere before it has learned anything: a tenth of the ink."""


class Ink(nn.Module):
    """Logits -> pixels in [0, 1]: a sigmoid stretched by MARGIN beyond both ends, then clamped.

    The clamp lets gradients of all orders through as if it were not there (straight-through, Bengio et al. 2013,
    section 4), so that a pixel that is exactly 0 or 1 still learns.
    """

    def forward(self, logits: Tensor) -> Tensor:
        stretched = (1 + 2 * MARGIN) * torch.sigmoid(logits) - MARGIN
        return stretched + (stretched.clamp(0, 1) - stretched).detach()


def logits_of(pixels: Tensor) -> Tensor:
    """The logits that `Ink` makes pixels in [0, 1] of."""
    return torch.logit((pixels + MARGIN) / (1 + 2 * MARGIN))
