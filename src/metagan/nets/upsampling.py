"""Doubling of the size without stripes."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmoothPixelShuffle(nn.Module):
    """(N, 4 C, H, W) -> (N, C, 2 H, 2 W): a sub-pixel stage (Shi et al. 2016), then the filter [1 2 1] / 4 both ways.

    The four channels of a pixel differ by what training gave them, which draws stripes and checkerboards of a period
    of two pixels; the filter passes nothing of that period (Sugawara, Shiota and Kiya 2018, section 3).
    """

    def __init__(self) -> None:
        super().__init__()
        self.shuffle = nn.PixelShuffle(2)
        line = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("filter", torch.outer(line, line)[None, None], persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        shuffled = self.shuffle(maps)
        return nn.functional.conv2d(shuffled.flatten(0, 1).unsqueeze(1), self.filter, padding=1).view(shuffled.shape)
