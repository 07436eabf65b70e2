"""A small convolutional generator whose first map can be redrawn by a few inner steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """(N, noise_size) normal noise -> (N, channels, H, W) in [0, 1].

    A linear map draws a coarse canvas (its bias is the part that noise cannot move, and the quickest for an inner
    step to change); two sub-pixel stages (Shi et al. 2016) refine it. With `context_size` > 0 a context vector
    scales and shifts every stage (FiLM, Perez et al. 2018, as in CAVIA, Zintgraf et al. 2019, section 3.2).
    """

    def __init__(self, channels: int, image_size: int, width: int, noise_size: int, context_size: int) -> None:
        super().__init__()
        self.width = width
        self.canvas_size = image_size // 4
        self.canvas = nn.Linear(noise_size, width * self.canvas_size**2)
        self.coarse = nn.Conv2d(width, width, 3, padding=1)
        self.coarse_up = nn.Conv2d(width, 4 * width, 3, padding=1)
        self.fine = nn.Conv2d(width, width, 3, padding=1)
        self.fine_up = nn.Conv2d(width, 4 * channels, 3, padding=1)
        self.activation = nn.LeakyReLU(0.2)
        self.shuffle = nn.PixelShuffle(2)
        if context_size:
            self.context = nn.Parameter(torch.zeros(context_size))
            self.film = nn.Linear(context_size, 2 * 3 * width)

    def forward(self, noise: Tensor) -> Tensor:
        maps = self.canvas(noise).view(-1, self.width, self.canvas_size, self.canvas_size)
        for stage in (self.coarse, self.coarse_up, self.fine):
            maps = stage(self.activation(maps))
            if stage is self.coarse_up:
                maps = self.shuffle(maps)
        return torch.sigmoid(self.shuffle(self.fine_up(self.activation(maps))))
