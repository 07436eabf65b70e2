"""The critic of the outer loop: a discriminator of adapted samples and query images that can be told the task."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Impression(NamedTuple):
    """What the critic sees in images: logits (N,), and two vectors (N, F) for the comparison with a support set."""

    logits: Tensor
    asks: Tensor
    answers: Tensor


class Critic(nn.Module):
    """(N, channels, H, W) in [0, 1] -> an impression of each image by itself or, when it is `paired`, beside another of
    its class that it is shown with: copies of that are told by it (DAGAN, Antoniou et al. 2017, section 4).

    Linear on the mean features of the two finer scales, which show edges and haze, and on all of the coarsest.
    """

    def __init__(self, channels: int, image_size: int, width: int, paired: bool = False) -> None:
        super().__init__()
        self.fine = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.coarse = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1)
        features = 2 * width * (-(-image_size // 8)) ** 2
        self.head = nn.Linear(3 * width + features, 1)
        self.asks = nn.Linear(features, 2 * width, bias=False)
        self.answers = nn.Linear(features, 2 * width, bias=False)
        nn.init.zeros_(self.asks.weight)
        self.beside = nn.Conv2d(4 * channels, width, 3, padding=1, bias=False) if paired else None
        self.activation = nn.LeakyReLU(0.2)
        self.unshuffle = nn.PixelUnshuffle(2)

    def forward(self, images: Tensor, beside: Tensor | None = None) -> Impression:
        seen = self.fine(self.unshuffle(images))
        if self.beside is not None and beside is not None:
            seen = seen + self.beside(self.unshuffle(beside))
        fine = self.activation(seen)
        coarse = self.activation(self.coarse(fine))
        deep = self.activation(self.deep(coarse)).flatten(1)
        seen = torch.cat([fine.mean((2, 3)), coarse.mean((2, 3)), deep], 1)
        return Impression(self.head(seen).squeeze(1), self.asks(deep), self.answers(deep))


def verdicts(impression: Impression, support: Tensor) -> Tensor:
    """(N,) logits, high for real images of the task whose support set gave the mean answers (F,): projection on them
    (Miyato and Koyama 2018, equation 5)."""
    return impression.logits + impression.asks @ support
