"""A classifier of words for few-shot methods."""

from __future__ import annotations

from torch import Tensor, nn

from metagan.nets.conv4 import Statistics
from metagan.nets.word_features import WordFeatures


class WordClassifier(nn.Module):
    """(N, characters, 1, length) -> (N, outputs) logits, or (N, feature_size) features without `outputs`.

    Words are normalised by themselves, so that there are no statistics of a batch to take or to find.
    """

    def __init__(self, characters: int, width: int, outputs: int = 0) -> None:
        super().__init__()
        self.features = WordFeatures(characters, width)
        self.feature_size = self.features.feature_size
        self.head = nn.Linear(self.feature_size, outputs) if outputs else nn.Identity()

    def forward(self, words: Tensor, statistics: Statistics | None = None, found: Statistics | None = None) -> Tensor:
        return self.head(self.features(words))
