"""A small convolutional generator that a task redraws through its maps and biases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from metagan.nets.bending import Bending
from metagan.nets.exemplars import leading
from metagan.nets.ink import FIRST_LOGIT, Ink
from metagan.nets.redrawing import Redrawing
from metagan.nets.upsampling import SmoothPixelShuffle


class Generator(nn.Module):
    """(N, noise_size) normal noise -> (N, channels, H, W) in [0, 1].

    Noise draws a coarse map at a quarter of the size; two sub-pixel stages refine it. `maps` are
    learned maps at a quarter, half and full size, added where that size is reached: what a class looks like lives
    there, so that an inner step on them redraws while the convolutions, shared by all tasks, keep making strokes.
    There are `exemplars` of each size, (exemplars, channels, H, W), of which noise mixes one for each image; with
    `lead` > 0 one of them leads, see `nets.exemplars.leading`, by a learned number of logits that begins there.
    With `context_size` > 0 a context vector scales and shifts the channels of every stage (FiLM, Perez et al. 2018,
    used as in CAVIA, Zintgraf et al. 2019, section 3.2). With `largest_shift` > 0 noise also bends what was
    drawn, by up to that many pixels; with `redrawing_width` > 0 convolutions then redraw it. Pixels can be exactly 0
    and 1.
    """

    def __init__(
        self,
        channels: int,
        image_size: int,
        width: int,
        noise_size: int,
        context_size: int,
        largest_shift: int = 0,
        redrawing_width: int = 0,
        exemplars: int = 1,
        lead: float = 0.0,
    ) -> None:
        super().__init__()
        self.shape = (width, image_size // 4, image_size // 4)
        fine_width = width // 2
        self.noise = nn.Linear(noise_size, width * (image_size // 4) ** 2, bias=False)
        # Quiet noise at first: what the maps say must not drown in it.
        nn.init.normal_(self.noise.weight, std=0.1 / noise_size**0.5)
        self.maps = nn.ParameterList(
            [
                nn.Parameter(0.1 * torch.randn(self.shape).repeat(exemplars, 1, 1, 1)),
                nn.Parameter(torch.zeros(exemplars, fine_width, image_size // 2, image_size // 2)),
                nn.Parameter(torch.full((exemplars, channels, image_size, image_size), FIRST_LOGIT)),
            ]
        )
        self.mixing = nn.Linear(noise_size, exemplars, bias=False) if exemplars > 1 else None
        if self.mixing is not None:
            nn.init.normal_(self.mixing.weight, std=(1 if lead else 2) / noise_size**0.5)
        self.lead = nn.Parameter(torch.tensor(lead)) if lead else None
        self.coarse = nn.Conv2d(width, width, 3, padding=1)
        self.coarse_up = nn.Conv2d(width, 4 * fine_width, 3, padding=1)
        self.fine = nn.Conv2d(fine_width, fine_width, 3, padding=1)
        self.fine_up = nn.Conv2d(fine_width, 4 * channels, 3, padding=1)
        self.film = nn.Linear(context_size, 2 * (width + fine_width)) if context_size else None
        self.context = nn.Parameter(torch.zeros(context_size)) if context_size else None
        self.bending = Bending(noise_size, image_size, largest_shift) if largest_shift else None
        self.redrawing = Redrawing(channels, redrawing_width, noise_size) if redrawing_width else None
        self.activation = nn.LeakyReLU(0.2)
        self.up = SmoothPixelShuffle()
        self.ink = Ink()

    def forward(self, noise: Tensor) -> Tensor:
        coarse_map, fine_map, full_map = self._mixed(noise)
        coarse = self.noise(noise).unflatten(1, self.shape) + coarse_map
        coarse = self._modulate(self.coarse(self.activation(coarse)), 0)
        fine = self.up(self.coarse_up(self.activation(coarse))) + fine_map
        fine = self._modulate(self.fine(self.activation(fine)), 2 * self.shape[0])
        drawn = self.up(self.fine_up(self.activation(fine))) + full_map
        if self.bending is not None:
            drawn = self.bending(drawn, noise)
        return self.ink(drawn if self.redrawing is None else self.redrawing(drawn, noise))

    def _mixed(self, noise: Tensor) -> Sequence[Tensor]:
        """The maps of each image, coarsest first."""
        if self.mixing is None:
            return list(self.maps)
        logits = self.mixing(noise)
        if self.lead is not None:
            logits = logits + self.lead * leading(noise, logits.shape[1])
        shares = logits.softmax(1)
        return [torch.einsum("ne,echw->nchw", shares, exemplars) for exemplars in self.maps]

    def _modulate(self, maps: Tensor, first: int) -> Tensor:
        if self.film is None:
            return maps
        channels = maps.shape[1]
        scale, shift = self.film(self.context)[first : first + 2 * channels].view(2, channels, 1, 1)
        return maps * (1 + scale) + shift
