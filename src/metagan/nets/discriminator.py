"""A small convolutional discriminator with a linear head over positions."""

from __future__ import annotations

from torch import Tensor, nn


class Discriminator(nn.Module):
    """(N, channels, H, W) in [0, 1] -> (N,) logits, high for real.

    The head keeps positions apart: one step on its weights is the mean feature difference between real and
    generated images at every place, which is what tells the generator where to put ink.
    """

    def __init__(self, channels: int, image_size: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * channels, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Linear(width * (image_size // 4) ** 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images).flatten(1)).squeeze(1)
