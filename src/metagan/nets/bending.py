"""Smooth displacement of pictures, twice differentiable and batched over tasks by plain arithmetic."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

CONTROL_POINTS = 4


class Bending(nn.Module):
    """Moves the pixels of (N, channels, H, W) by a smooth field that noise (N, noise_size) draws.

    Noise sets the displacement of 4 x 4 control points, in rows and columns, within +-`largest_shift` pixels; between
    them, and between pixels, it is interpolated linearly (spatial transformer, Jaderberg et al. 2015, equation 5, as
    one pass over rows and one over columns). Edges are repeated.
    """

    basis: Tensor
    offsets: Tensor

    def __init__(self, noise_size: int, image_size: int, largest_shift: int) -> None:
        super().__init__()
        self.largest_shift = largest_shift
        self.control = nn.Linear(noise_size, 2 * CONTROL_POINTS**2, bias=False)
        nn.init.normal_(self.control.weight, std=0.1 / noise_size**0.5)  # as quiet as the generator's noise
        self.register_buffer("basis", _hats(image_size), persistent=False)
        offsets = torch.arange(-largest_shift, largest_shift + 1.0).view(1, -1, 1, 1)
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, images: Tensor, noise: Tensor) -> Tensor:
        control = torch.tanh(self.control(noise)).unflatten(1, (2, CONTROL_POINTS, CONTROL_POINTS))
        rows, columns = (self.largest_shift * (self.basis @ control @ self.basis.mT)).unbind(1)
        return self._move(self._move(images.mT, columns.mT).mT, rows)

    def _move(self, images: Tensor, shifts: Tensor) -> Tensor:
        """Pixel (y, x) becomes the one at (y + shifts, x), linearly between its two neighbours."""
        reach, size = self.largest_shift, images.shape[-2]
        padded = pad(images, (0, 0, reach, reach), mode="replicate")
        weights = (1 - (shifts.unsqueeze(1) - self.offsets).abs()).clamp(min=0)
        first, *others = (weights[:, k : k + 1] * padded[..., k : k + size, :] for k in range(2 * reach + 1))
        return sum(others, first)


def _hats(size: int) -> Tensor:
    """(size, CONTROL_POINTS) weights of linear interpolation from evenly spaced points, the outer ones on the edges."""
    places = torch.linspace(0, CONTROL_POINTS - 1, size).unsqueeze(1)
    return (1 - (places - torch.arange(CONTROL_POINTS)).abs()).clamp(min=0)
