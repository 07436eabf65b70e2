from __future__ import annotations

import pytest
import torch

from metagan.domains.image import haze


def test_by_hand() -> None:
    """Two tasks of three places: the one that one query image has ink at does not count."""
    queries = torch.zeros(2, 2, 1, 1, 3)
    queries[0, 0, 0, 0, 0] = 0.8
    samples = torch.tensor([[1.0, 0.2, 0.0], [0.4, 0.0, 0.0]]).view(2, 1, 1, 1, 3)
    assert haze(samples, queries) == pytest.approx((0.2 + 0 + 0.4 + 0 + 0) / 5)


def test_real_examples_have_none_and_grey_is_its_level() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = (torch.rand(3, 4, 1, 8, 8, generator=generator) > 0.8).float()
    assert haze(queries, queries) == 0
    assert haze(torch.full_like(queries, 0.1), queries) == pytest.approx(0.1)


def test_where_nothing_is_empty_there_is_no_haze() -> None:
    full = torch.full((1, 2, 3, 4, 4), 0.03)
    assert haze(full, full) == 0
