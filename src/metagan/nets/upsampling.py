"""Doubling of the size without stripes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad


class SmoothPixelShuffle(nn.Module):
    """(N, 4 C, H, W) -> (N, C, 2 H, 2 W): a sub-pixel stage (Shi et al. 2016), then the filter [1 2 1] / 4 both ways.

    The four channels of a pixel differ by what training gave them, which draws stripes and checkerboards of a period
    of two pixels; the filter passes nothing of that period (Sugawara, Shiota and Kiya 2018, section 3).
    """

    def __init__(self) -> None:
        super().__init__()
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, maps: Tensor) -> Tensor:
        # Sums of shifted pictures: a third of the time of a convolution of one channel.
        rows = pad(self.shuffle(maps), (1, 1, 1, 1))
        columns = rows[..., :-2, :] + 2 * rows[..., 1:-1, :] + rows[..., 2:, :]
        return (columns[..., :-2] + 2 * columns[..., 1:-1] + columns[..., 2:]) / 16
