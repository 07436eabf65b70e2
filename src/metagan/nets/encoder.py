"""The encoder of a support set: where a task's maps start from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metagan.nets.exemplars import shares
from metagan.nets.ink import FIRST_LOGIT, logits_of
from metagan.nets.upsampling import SmoothPixelShuffle


class Encoder(nn.Module):
    """(K, channels, H, W) in [0, 1] -> what is added to the generator's maps, (exemplars, ...), coarsest first.

    Features of every image at half and quarter size are averaged over the share of the set that an exemplar has, as in
    a prototype (Snell et al. 2017) or a deep set (Zaheer et al. 2017), so that any K will do. At first it adds nothing.
    With `skip` the finest map is also given the images themselves, as logits, at a learned weight for each channel: a
    skip connection, without which nothing as small as a pixel comes through the features.
    """

    def __init__(self, channels: int, width: int, exemplars: int = 1, skip: bool = False) -> None:
        super().__init__()
        self.exemplars = exemplars
        fine_width = width // 2
        self.fine = nn.Conv2d(4 * channels, fine_width, 3, padding=1)
        self.fine_again = nn.Conv2d(fine_width, fine_width, 3, padding=1)
        self.coarse = nn.Conv2d(4 * fine_width, width, 3, padding=1)
        self.coarse_again = nn.Conv2d(width, width, 3, padding=1)
        self.to_maps = nn.ModuleList(
            [nn.Conv2d(width, width, 1), nn.Conv2d(fine_width, fine_width, 1), nn.Conv2d(fine_width, 4 * channels, 1)]
        )
        for value in self.to_maps.parameters():
            nn.init.zeros_(value)
        self.skip = nn.Parameter(torch.zeros(channels, 1, 1)) if skip else None
        self.activation = nn.LeakyReLU(0.2)
        self.unshuffle, self.up = nn.PixelUnshuffle(2), SmoothPixelShuffle()

    def forward(self, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = self.activation(self.fine_again(self.activation(self.fine(self.unshuffle(support)))))
        coarse = self.activation(self.coarse_again(self.activation(self.coarse(self.unshuffle(fine)))))
        owned = shares(len(support), self.exemplars).to(support)
        fine, coarse = (torch.einsum("ek,kchw->echw", owned, values) for values in (fine, coarse))
        full = self.up(self.to_maps[2](fine))
        if self.skip is not None:
            shown = torch.einsum("ek,kchw->echw", owned, logits_of(support) - FIRST_LOGIT)
            full = full + self.skip * shown
        return self.to_maps[0](coarse), self.to_maps[1](fine), full
