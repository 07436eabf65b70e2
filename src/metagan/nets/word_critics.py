"""The two judges of words: the discriminator of the inner steps, and the critic of the outer loop."""

from __future__ import annotations

from torch import Tensor, nn

from metagan.nets.critic import Impression
from metagan.nets.word_features import WordFeatures


class WordDiscriminator(nn.Module):
    """(N, characters, 1, length) in [0, 1] -> (N,) logits, high for real.

    Linear heads over characters by place and over what follows what, at zero at first, as those of `Discriminator`.
    """

    def __init__(self, characters: int, length: int, width: int) -> None:
        super().__init__()
        self.features = WordFeatures(characters, width, normed=False)
        self.head_characters = nn.Linear(characters * length, 1, bias=False)
        self.head_features = nn.Linear(self.features.feature_size, 1)
        for head in (self.head_characters, self.head_features):
            nn.init.zeros_(head.weight)

    def forward(self, words: Tensor) -> Tensor:
        return (self.head_characters(words.flatten(1)) + self.head_features(self.features(words))).squeeze(1)


class WordCritic(nn.Module):
    """(N, characters, 1, length) in [0, 1] -> an impression of each word by itself, as `Critic` of images."""

    def __init__(self, characters: int, width: int) -> None:
        super().__init__()
        self.features = WordFeatures(characters, width, normed=False)
        self.head = nn.Linear(self.features.feature_size, 1)
        self.asks = nn.Linear(self.features.feature_size, 2 * width, bias=False)
        self.answers = nn.Linear(self.features.feature_size, 2 * width, bias=False)
        nn.init.zeros_(self.asks.weight)

    def forward(self, words: Tensor) -> Impression:
        seen = self.features(words)
        return Impression(self.head(seen).squeeze(1), self.asks(seen), self.answers(seen))
