from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metagan.nets.exemplars import evenly, leaders, leading, shares


@given(st.integers(1, 40), st.integers(1, 32))
def test_every_image_has_an_exemplar_and_every_exemplar_an_image(k_shot: int, exemplars: int) -> None:
    owns = shares(k_shot, exemplars)
    torch.testing.assert_close(owns.sum(1), torch.ones(exemplars))
    assert (owns.sum(0) > 0).all()
    assert ((owns > 0).sum(0) == max(1, exemplars // k_shot)).any()


def test_each_exemplar_leads_as_often() -> None:
    noise = torch.randn(8000, 3, generator=torch.Generator().manual_seed(0))
    leads = leading(noise, 5)
    assert (leads.sum(1) == 1).all()
    assert (leads.mean(0) - 0.2).abs().max() < 0.02
    assert leading(torch.tensor([[-9.0], [9.0]]), 5).argmax(1).tolist() == [0, 4]


def test_an_image_is_led_by_what_its_exemplar_stands_for() -> None:
    support = torch.rand(4, 1, 2, 2)
    noise = torch.special.ndtri(torch.tensor([[0.1], [0.3], [0.6], [0.9]]))
    torch.testing.assert_close(leaders(noise, support, 4), support)
    torch.testing.assert_close(leaders(noise, support[:2], 4), support[[0, 1, 0, 1]])
    of_two = torch.stack([support[[0, 2]].mean(0), support[[1, 3]].mean(0)])
    torch.testing.assert_close(leaders(noise, support, 2), of_two[[0, 0, 1, 1]])


@given(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2**31))
def test_any_power_of_two_in_a_row_meets_every_part_once(power: int, block: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    parts = 2**power
    noise = evenly(torch.randn(3, (block + 1) * parts, 2, generator=generator), torch.rand(3, generator=generator))
    for row in noise[:, block * parts :]:
        assert leading(row, parts).sum(0).tolist() == [1] * parts


def test_what_is_spread_evenly_is_normal_still_and_nothing_else_changes() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, shift = torch.randn(2000, 3, 4, generator=generator), torch.rand(2000, generator=generator)
    spread = evenly(noise, shift)
    assert torch.equal(spread[..., 1:], noise[..., 1:])
    first = spread[..., 0].flatten()
    assert spread.isfinite().all()
    assert first.mean().abs() < 0.05
    assert first.std().item() == pytest.approx(1, abs=0.05)
    assert evenly(torch.zeros(1, 4, 1), torch.zeros(1)).isfinite().all()  # where the distribution ends, too
