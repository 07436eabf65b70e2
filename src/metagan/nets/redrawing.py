"""Convolutions, shared by all tasks, that redraw strokes and edges of a finished drawing."""

from __future__ import annotations

from torch import Tensor, nn

from metagan.nets.upsampling import SmoothPixelShuffle


class Redrawing(nn.Module):
    """(N, channels, H, W) logits and noise (N, noise_size) -> logits of the same shape.

    Three convolutions over blocks of 2 x 2 pixels, which is a quarter of the work, add to the drawing what it lacks.
    Noise shifts their channels, so that samples differ in the weight of their strokes. At first they add nothing.
    """

    def __init__(self, channels: int, width: int, noise_size: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 4 * channels, 3, padding=1)
        for value in self.last.parameters():
            nn.init.zeros_(value)
        self.style = nn.Linear(noise_size, width, bias=False)
        nn.init.normal_(self.style.weight, std=0.3 / noise_size**0.5)
        self.activation = nn.LeakyReLU(0.2)
        self.unshuffle, self.up = nn.PixelUnshuffle(2), SmoothPixelShuffle()

    def forward(self, drawn: Tensor, noise: Tensor) -> Tensor:
        values = self.activation(self.first(self.unshuffle(drawn)) + self.style(noise)[:, :, None, None])
        return drawn + self.up(self.last(self.activation(self.middle(values))))
