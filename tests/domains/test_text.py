"""Words as tensors."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metagan.domains import domain_of, stored_example
from metagan.domains.spelling import CHARACTERS, LONGEST, SIZE, decoded, encoded
from metagan.domains.text import n_gram_views, text
from metagan.errors import UserError
from metagan.parameters import Example

WORDS = st.lists(st.text(alphabet=CHARACTERS[:30], max_size=LONGEST), min_size=1, max_size=5)


@given(WORDS)
def test_tensors_are_one_hot_and_give_the_words_back(words: list[str]) -> None:
    codes = encoded(words)
    tensors = text.to_tensor(codes)
    assert tensors.shape == (len(words), SIZE, 1, LONGEST)
    assert torch.equal(tensors.sum(1), torch.ones(len(words), 1, LONGEST))
    assert np.array_equal(text.to_stored(tensors), codes)


def test_soft_words_are_their_likeliest_characters_up_to_the_end() -> None:
    soft = 0.6 * text.to_tensor(encoded(["abc"])) + 0.4 * text.to_tensor(encoded(["xyzxyzx"]))
    assert decoded(text.to_stored(soft)) == ["abc"]


@given(WORDS, st.integers(0, 1000))
def test_a_moved_word_has_the_same_characters(words: list[str], seed: int) -> None:
    tensors = text.to_tensor(encoded(words))
    moved = text.move_at_random(tensors, torch.Generator().manual_seed(seed))
    for before, after in zip(encoded(words), text.to_stored(moved), strict=True):
        assert sorted(before) == sorted(after)
        places = np.flatnonzero(before != after)
        assert len(places) in (0, 2) and np.ptp(places) <= 1 if len(places) else True


@given(WORDS)
def test_views_count_characters_and_pairs(words: list[str]) -> None:
    _, ones, pairs, _ = (4 * view for view in n_gram_views(text.to_tensor(encoded(words))))
    for word, counts, table in zip(words, ones, pairs.unflatten(1, (SIZE, SIZE)), strict=True):
        full = len(word) == LONGEST
        assert counts.sum() == len(word) + (0 < len(word) < LONGEST)
        marked = [0, *(CHARACTERS.index(character) + 1 for character in word), *([] if full else [0])]
        told = Counter(pairwise(marked))
        for (first, second), count in told.items():
            if (first, second) != (0, 0):
                assert table[first, second] == count
        assert table.sum() == sum(count for pair, count in told.items() if pair != (0, 0))


def test_products_of_sketches_are_nearly_those_of_counts_of_three() -> None:
    words = ["abracadabra", "abrakadabra", "barabarab", "zzzzyyyy"]
    sketch = 4 * n_gram_views(text.to_tensor(encoded(words)))[3]
    marked = [f"^{word}$" for word in words]
    counts = [Counter(word[i : i + 3] for i in range(len(word) - 2)) for word in marked]
    exact = torch.tensor([[sum(one[key] * other[key] for key in one) for other in counts] for one in counts])
    assert torch.allclose(sketch @ sketch.T, exact.float(), atol=4.0)


def test_lines_of_another_length_are_refused() -> None:
    with pytest.raises(UserError, match="no line of 16 characters"):
        domain_of(Example(domain="text", shape=(17,)))


def test_words_are_shown() -> None:
    picture = text.picture(encoded(["one", "two", "three"]), True, 2)
    assert picture.height == 32 and np.asarray(picture).min() < 100
    assert stored_example("text", (LONGEST,)).range == (0, SIZE - 1)


def test_a_word_leaves_as_it_is_written() -> None:
    assert text.form is not None and text.form.is_text
    assert [text.form.write(codes, 0) for codes in encoded(["stone", "", "e\u0301t"])] == ["stone", "", "\u00e9t"]
