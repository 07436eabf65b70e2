"""A small convolutional classifier that is trained in a second, for measures that train one from scratch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64)


class SmallClassifier(nn.Module):
    """(N, channels, H, W) in [0, 1] -> (N, outputs) logits: three blocks of stride 2 and a linear layer on all places.

    In training mode BatchNorm takes the statistics of the batch, in evaluation mode those that training has gathered.
    """

    def __init__(self, channels: int, image_size: int, outputs: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        size = image_size
        for inputs, width in zip((channels, *WIDTHS), WIDTHS, strict=False):
            blocks += [nn.Conv2d(inputs, width, 3, 2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            size = -(-size // 2)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(WIDTHS[-1] * size * size, outputs)
        # The types of `to` know no memory format by itself.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(2 * images - 1).flatten(1))
