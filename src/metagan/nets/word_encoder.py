"""The encoder of a support set of words: what a task's generator remembers, and the language that they are in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metagan.nets.word_features import WordFeatures

LOGITS = 100.0
"""Of a character that is remembered clearly: a number that learns by thousandths makes it clear within a hundred."""


class WordEncoder(nn.Module):
    """(K, characters, 1, length) in [0, 1] -> what is added to the generator's memory, (K, characters, length), and to
    its code, (width,): the words themselves, as logits, and a mean over them, as in a deep set (Zaheer et al. 2017).
    Both are nothing at first: what is remembered is learned, and networks that have learned nothing copy nothing.
    """

    def __init__(self, characters: int, width: int) -> None:
        super().__init__()
        self.clarity = nn.Parameter(torch.zeros(()))
        self.features = WordFeatures(characters, width)
        self.to_code = nn.Linear(self.features.feature_size, width)
        nn.init.zeros_(self.to_code.weight)
        nn.init.zeros_(self.to_code.bias)

    def forward(self, support: Tensor) -> tuple[Tensor, Tensor]:
        return LOGITS * self.clarity * support[:, :, 0], self.to_code(self.features(support).mean(0))
