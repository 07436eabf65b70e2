"""A generator that writes words character by character, from what it remembers of others and what it knows of all."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONTEXT = 4
"""Characters that it looks back at."""
END = 0
TINY = 1e-6


class Memory(NamedTuple):
    """Words (K, characters, length) as probabilities, and the logarithms (K, length) of how far they go."""

    words: Tensor
    there: Tensor


class WordGenerator(nn.Module):
    """(N, length) normal noise -> (N, characters, 1, length), words of which each character is one of its place.

    A character is drawn from a mixture. One part is a network of the characters before (Bengio et al. 2003), its place,
    and a learned `code` of the language. The other copies from `memory`, the support words as logits (K, characters,
    length): it looks where the same characters stand before (an induction head, Olsson et al. 2022; PPM, Cleary and
    Witten 1984), and by how many of them agree says how much it trusts a place. Noise draws: each of its numbers
    chooses a character by the inverse of the distribution function. What is chosen is exactly 0 or 1, and has the
    gradient of its probability after the characters that were chosen before it (straight-through, Bengio et al. 2013,
    section 4).
    """

    def __init__(self, characters: int, length: int, width: int) -> None:
        super().__init__()
        self.characters, self.length = characters, length
        self.memory = nn.Parameter(torch.zeros(1, characters, length))
        self.code = nn.Parameter(torch.zeros(width))
        self.before = nn.Linear(CONTEXT * characters, width)
        self.place = nn.Parameter(0.1 * torch.randn(length, width))
        self.deep = nn.Linear(width, width)
        self.known = nn.Linear(width, characters)
        self.trust = nn.Parameter(torch.arange(1.0, CONTEXT + 1))
        self.gate = nn.Linear(width + CONTEXT, 1)
        self.loudness = nn.Parameter(torch.ones(()))
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, noise: Tensor, told: Tensor | None = None) -> Tensor:
        """Words of the noise; or the (N,) logarithms of the probabilities of those that are told, (N, characters, 1,
        length), whatever the noise."""
        words = self.memory.softmax(1)
        ended = words[:, END].cumsum(1) - words[:, END]
        memory = Memory(words, (1 - ended).clamp_min(0).add(TINY).log())
        if told is not None:
            chances = self._distributions(told[:, :, 0], memory) * told[:, :, 0].transpose(1, 2)
            return ((chances.sum(2) + TINY).log() * _open(told[:, :, 0])).sum(1)
        with torch.no_grad():
            written = self._written(torch.special.ndtr(noise), memory)
        if not torch.is_grad_enabled():
            return written[:, :, None]
        soft = (self._distributions(written, memory) * _open(written)[:, :, None]).transpose(1, 2)
        return (soft + (written - soft).detach())[:, :, None]

    def _written(self, chances: Tensor, memory: Memory) -> Tensor:
        """(N, characters, length) words, one character after the other."""
        end = _one_hot(chances.new_full((len(chances),), END), self.characters, chances.dtype)
        window, words = end.repeat(1, CONTEXT), []
        at_start = _one_hot(chances.new_zeros(1), self.length, chances.dtype)
        agreed = [at_start.expand(len(chances), len(memory.words), -1)] * CONTEXT
        open_ = chances.new_ones(len(chances), 1)
        for place in range(self.length):
            drawn_from = self._next(window, self.place[place], agreed, memory)
            index = (drawn_from.cumsum(1) < chances[:, place, None]).sum(1).clamp_max(self.characters - 1)
            character = open_ * _one_hot(index, self.characters, chances.dtype) + (1 - open_) * end
            open_ = open_ * (1 - character[:, END, None])
            words.append(character)
            window = torch.cat([character, window[:, : -self.characters]], 1)
            same = torch.einsum("nc,kcl->nkl", character, memory.words)
            agreed = [F.pad((same * before)[..., :-1], (1, 0)) for before in (torch.ones_like(same), *agreed[:-1])]
        return torch.stack(words, 2)

    def _distributions(self, words: Tensor, memory: Memory) -> Tensor:
        """(N, length, characters) of each character after those before it in words (N, characters, length)."""
        row = F.pad(words.transpose(1, 2), (0, 0, CONTEXT, 0))
        start = _one_hot(row.new_full((CONTEXT,), END), self.characters, words.dtype)
        row = row + F.pad(start, (0, 0, 0, self.length))
        windows = [row[:, CONTEXT - back : CONTEXT - back + self.length] for back in range(1, CONTEXT + 1)]
        same = torch.einsum("nct,kcl->ntkl", words, memory.words)
        agreed = [_one_later(same)]
        for _ in range(CONTEXT - 1):
            agreed.append(_one_later(same * agreed[-1]))
        return self._next(torch.cat(windows, 2), self.place, agreed, memory)

    def _next(self, window: Tensor, place: Tensor, agreed: list[Tensor], memory: Memory) -> Tensor:
        """(..., characters) of the next character, after windows (..., CONTEXT characters).

        `agreed` (..., K, length) say for each place of the memory whether the last 1, 2 ... characters stand before it.
        """
        hidden = self.activation(self.before(window) + place + self.code)
        hidden = hidden + self.activation(self.deep(hidden))
        known = self.known(hidden).softmax(-1)
        trusted = sum((trust * one for trust, one in zip(self.trust, agreed, strict=True)), memory.there)
        looks = trusted.flatten(-2).softmax(-1)
        copied = looks @ memory.words.transpose(1, 2).flatten(0, 1)
        reached = torch.stack([(looks * one.flatten(-2)).sum(-1) for one in agreed], -1)
        share = torch.sigmoid(self.gate(torch.cat([hidden, reached], -1)))
        mixed = (1 - share) * known + share * copied
        return ((mixed + TINY).log() / self.loudness).softmax(-1)


def _one_hot(index: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    return (index[..., None] == torch.arange(size, device=index.device)).to(dtype)


def _open(words: Tensor) -> Tensor:
    """(N, length) whether the words (N, characters, length) have not ended before."""
    return ((words[:, END].cumsum(1) - words[:, END]) < 0.5).to(words)


def _one_later(agreed: Tensor) -> Tensor:
    """What agrees (N, length, K, length) at a place of a word and one of the memory, for the places after both; before
    the beginnings all agrees."""
    later = F.pad(agreed[:, :-1, :, :-1], (1, 0, 0, 0, 1, 0))
    both = torch.arange(later.shape[1], device=later.device) == 0
    return later + (both[:, None, None] & both).to(later)
