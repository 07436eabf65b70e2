"""What characters follow each other in words: counts, their divergences, and models fitted to them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

BEGIN, END = "^", "$"
Chances = NDArray[np.float64]


def n_grams(words: Sequence[str], n: int) -> Counter[str]:
    """How often each n characters follow each other in the words, with one mark before and one behind each."""
    found: Counter[str] = Counter()
    for word in words:
        marked = BEGIN + word + END
        found.update(marked[i : i + n] for i in range(len(marked) - n + 1))
    return found


def jensen_shannon(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """The Jensen-Shannon divergence of two tables of counts, in bits: 0 for equal shares, 1 for nothing in common.

    Lin 1991, equation 4.1 with equal weights. Raises ValueError for a table of nothing.
    """
    names = sorted({*first, *second})
    shares = []
    for counts in (first, second):
        values = np.array([counts.get(name, 0) for name in names], np.float64)
        if not values.sum():
            raise ValueError("a table of counts is empty")
        shares.append(values / values.sum())
    middle = (shares[0] + shares[1]) / 2
    return float(sum(_information(share, middle) for share in shares) / 2)


def _information(share: Chances, middle: Chances) -> float:
    seen = share > 0
    return float((share[seen] * np.log2(share[seen] / middle[seen])).sum())


def covered(words: Mapping[str, int], by: Mapping[str, int]) -> float:
    """Share of the n-grams of words, as often as they come, that are among the others."""
    return sum(count for name, count in words.items() if name in by) / max(1, sum(words.values()))


@dataclass(frozen=True)
class NGramModel:
    """Chances of a character after up to `order` - 1 others, smoothed by those after fewer.

    Interpolated Witten-Bell smoothing (Chen and Goodman 1999, section 2.4), down to equal chances of `characters`.
    """

    characters: str
    order: int
    after: Mapping[str, Counter[str]] = field(repr=False)

    def chances(self, before: str) -> Chances:
        """(characters + 1,) of the next character, the last of the end, after a beginning of a word."""
        return self._smoothed((BEGIN + before)[-(self.order - 1) :] if self.order > 1 else "")

    def _smoothed(self, context: str) -> Chances:
        lower = self._smoothed(context[1:]) if context else np.full(len(self.characters) + 1, 1.0)
        lower = lower / lower.sum()
        seen = self.after.get(context)
        if not seen:
            return lower
        own = np.array([seen.get(character, 0) for character in self.characters + END], np.float64)
        return (own + len(seen) * lower) / (own.sum() + len(seen))


def fitted(words: Sequence[str], order: int, characters: str) -> NGramModel:
    """The model of these words, whose characters are all among `characters`."""
    after: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word in words:
        marked = BEGIN + word + END
        for i in range(1, len(marked)):
            for length in range(min(i, order - 1) + 1):
                after[marked[i - length : i]][marked[i]] += 1
    return NGramModel(characters, order, dict(after))


@dataclass(frozen=True)
class Mixture:
    """Two models of the same characters; the first has this share."""

    first: NGramModel
    second: NGramModel
    share: float

    @property
    def characters(self) -> str:
        return self.first.characters

    def chances(self, before: str) -> Chances:
        return self.share * self.first.chances(before) + (1 - self.share) * self.second.chances(before)


def surprise(model: NGramModel | Mixture, words: Sequence[str]) -> float:
    """Mean of minus the logarithm of a word's chances, in nats."""
    places = {character: i for i, character in enumerate(model.characters + END)}
    told = [
        -np.log(model.chances(word[:i])[places[character]]) for word in words for i, character in enumerate(word + END)
    ]
    return float(np.sum(told) / len(words))


def written(
    model: NGramModel | Mixture, n: int, longest: int, temperature: float, generator: np.random.Generator
) -> list[str]:
    """So many words of the model, cut at the longest; below a temperature of 1 of its likelier ones."""
    letters = model.characters + END

    @cache
    def thresholds(before: str) -> Chances:
        sharpened = model.chances(before) ** (1 / temperature)
        return np.cumsum(sharpened / sharpened.sum())

    words = []
    for _ in range(n):
        word = ""
        while len(word) < longest:
            place = int(np.searchsorted(thresholds(word), generator.random()))
            if place >= len(letters) - 1:
                break
            word += letters[place]
        words.append(word)
    return words
