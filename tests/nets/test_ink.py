"""The output of the generator against its formula, and its straight-through gradient against that of the sigmoid."""

from __future__ import annotations

import torch
from torch import Tensor

from metagan.nets.ink import Ink, logits_of

LOGITS = torch.linspace(-6, 6, 49, dtype=torch.float64)


def surrogate(logits: Tensor) -> Tensor:
    """What the documentation says is differentiated."""
    return 1.16 / (1 + torch.exp(-logits)) - 0.08


def test_pixels_are_the_stretched_sigmoid_cut_to_0_and_1() -> None:
    torch.testing.assert_close(Ink()(LOGITS), surrogate(LOGITS).clamp(0, 1))
    assert Ink()(torch.tensor([-3.0, 3.0])).tolist() == [0.0, 1.0]


def test_first_and_second_derivatives_are_those_of_the_stretched_sigmoid_also_where_it_is_cut() -> None:
    def slope(logits: Tensor) -> Tensor:
        return torch.func.grad(lambda value: Ink()(value).sum())(logits)

    shift = 1e-5
    first = (surrogate(LOGITS + shift) - surrogate(LOGITS - shift)) / (2 * shift)
    torch.testing.assert_close(slope(LOGITS), first, rtol=1e-6, atol=1e-9)
    second = (surrogate(LOGITS + 1e-3) + surrogate(LOGITS - 1e-3) - 2 * surrogate(LOGITS)) / 1e-6
    curvature = torch.func.grad(lambda value: slope(value).sum())(LOGITS)
    torch.testing.assert_close(curvature, second, rtol=1e-4, atol=1e-6)
    assert (slope(LOGITS)[surrogate(LOGITS) < 0] > 0).all()


def test_it_maps_over_tasks() -> None:
    logits = LOGITS.view(7, 7)
    torch.testing.assert_close(torch.vmap(Ink())(logits), Ink()(logits), rtol=0, atol=0)


def test_the_logits_of_pixels_draw_them_again() -> None:
    pixels = torch.tensor([0.0, 0.01, 0.5, 0.99, 1.0], dtype=torch.float64)
    torch.testing.assert_close(Ink()(logits_of(pixels)), pixels)
