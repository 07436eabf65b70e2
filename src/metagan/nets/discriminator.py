"""A small convolutional discriminator with linear heads over the positions of every scale."""

from __future__ import annotations

from torch import Tensor, nn


class Discriminator(nn.Module):
    """(N, channels, H, W) in [0, 1] -> (N,) logits, high for real.

    One inner step on the heads sets them to the mean feature difference between real and generated images at every
    place and scale, which is what tells a generator where to put ink.
    """

    def __init__(self, channels: int, image_size: int, width: int) -> None:
        super().__init__()
        fine_width = width // 2
        self.fine = nn.Conv2d(4 * channels, fine_width, 3, padding=1)
        self.coarse = nn.Conv2d(4 * fine_width, width, 3, padding=1)
        self.deep = nn.Conv2d(width, width, 3, padding=1)
        self.head_pixels = nn.Linear(channels * image_size**2, 1, bias=False)
        self.head_fine = nn.Linear(fine_width * (image_size // 2) ** 2, 1, bias=False)
        self.head_coarse = nn.Linear(width * (image_size // 4) ** 2, 1, bias=False)
        self.head_deep = nn.Linear(width * (image_size // 4) ** 2, 1)
        # At zero, so that the very first inner step points them at the difference of this task, and at nothing else.
        for head in (self.head_pixels, self.head_fine, self.head_coarse, self.head_deep):
            nn.init.zeros_(head.weight)
        self.activation = nn.LeakyReLU(0.2)
        self.unshuffle = nn.PixelUnshuffle(2)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.activation(self.fine(self.unshuffle(images)))
        coarse = self.activation(self.coarse(self.unshuffle(fine)))
        deep = self.activation(self.deep(coarse))
        logits = self.head_pixels(images.flatten(1)) + self.head_fine(fine.flatten(1))
        return (logits + self.head_coarse(coarse.flatten(1)) + self.head_deep(deep.flatten(1))).squeeze(1)
