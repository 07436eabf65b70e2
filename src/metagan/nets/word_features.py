"""What all networks see in words: which characters follow each other, anywhere and where."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WordFeatures(nn.Module):
    """(N, characters, 1, length) in [0, 1] -> (N, feature_size): mean and maximum over places of two convolutions.

    With `normed` every place is normalised by itself and the others of its word, never by other words.
    """

    def __init__(self, characters: int, width: int, normed: bool = True) -> None:
        super().__init__()
        self.near = nn.Conv1d(characters, width, 3, padding=1)
        self.far = nn.Conv1d(width, width, 3, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(1, width) if normed else nn.Identity() for _ in range(2))
        self.activation = nn.LeakyReLU(0.2)
        self.feature_size = 4 * width

    def forward(self, words: Tensor) -> Tensor:
        near = self.activation(self.norms[0](self.near(words[:, :, 0])))
        far = self.activation(self.norms[1](self.far(near)))
        return torch.cat([statistic for values in (near, far) for statistic in (values.mean(2), values.amax(2))], 1)
