"""The encoder of a support set of words: what a task's generator remembers, and the language that they are in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metagan.nets.word_features import WordFeatures

CLARITY = 8.0
"""Logit by which a remembered character is ahead of all others, at first."""


class WordEncoder(nn.Module):
    """(K, characters, 1, length) in [0, 1] -> what is added to the generator's memory, (K, characters, length), and to
    its code, (width,): the words themselves, as logits, and a mean over them, as in a deep set (Zaheer et al. 2017).
    """

    def __init__(self, characters: int, width: int) -> None:
        super().__init__()
        self.clarity = nn.Parameter(torch.tensor(CLARITY))
        self.features = WordFeatures(characters, width)
        self.to_code = nn.Linear(self.features.feature_size, width)
        nn.init.zeros_(self.to_code.weight)
        nn.init.zeros_(self.to_code.bias)

    def forward(self, support: Tensor) -> tuple[Tensor, Tensor]:
        return self.clarity * support[:, :, 0], self.to_code(self.features(support).mean(0))
