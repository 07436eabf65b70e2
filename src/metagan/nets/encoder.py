"""The encoder of a support set: where a task's maps start from."""

from __future__ import annotations

from torch import Tensor, nn

from metagan.nets.upsampling import SmoothPixelShuffle


class Encoder(nn.Module):
    """(K, channels, H, W) in [0, 1] -> what is added to the generator's maps, coarsest first.

    Features of every image at half and quarter size are averaged over the set, as in a prototype (Snell et al. 2017)
    or a deep set (Zaheer et al. 2017), so that any K will do. At first it adds nothing.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        fine_width = width // 2
        self.fine = nn.Conv2d(4 * channels, fine_width, 3, padding=1)
        self.fine_again = nn.Conv2d(fine_width, fine_width, 3, padding=1)
        self.coarse = nn.Conv2d(4 * fine_width, width, 3, padding=1)
        self.coarse_again = nn.Conv2d(width, width, 3, padding=1)
        self.to_maps = nn.ModuleList(
            [nn.Conv2d(width, width, 1), nn.Conv2d(fine_width, fine_width, 1), nn.Conv2d(fine_width, 4 * channels, 1)]
        )
        for head in self.to_maps:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.activation = nn.LeakyReLU(0.2)
        self.unshuffle, self.up = nn.PixelUnshuffle(2), SmoothPixelShuffle()

    def forward(self, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = self.activation(self.fine_again(self.activation(self.fine(self.unshuffle(support)))))
        coarse = self.activation(self.coarse_again(self.activation(self.coarse(self.unshuffle(fine)))))
        fine, coarse = fine.mean(0, keepdim=True), coarse.mean(0, keepdim=True)
        maps = (self.to_maps[0](coarse), self.to_maps[1](fine), self.up(self.to_maps[2](fine)))
        first, second, third = (values.squeeze(0) for values in maps)
        return first, second, third
