"""Exemplars: a generator's maps that stand for a few support images each, and which of them an image is drawn by."""

from __future__ import annotations

import torch
from torch import Tensor


def shares(k_shot: int, exemplars: int) -> Tensor:
    """(exemplars, K) weights, rows of sum 1: the images go round the exemplars, and round the images if those are
    fewer."""
    rounds = min(k_shot, exemplars)
    owns = torch.arange(k_shot) % rounds == (torch.arange(exemplars) % rounds)[:, None]
    return owns / owns.sum(1, keepdim=True)


def leading(noise: Tensor, exemplars: int) -> Tensor:
    """(N, exemplars) of normal noise (N, noise_size): 1 at the exemplar that leads, each as often, by the part of its
    distribution that the first number is in."""
    place = (torch.special.ndtr(noise[:, :1]) * exemplars).floor().clamp(max=exemplars - 1)
    return (place == torch.arange(exemplars, device=noise.device)).to(noise)


def leaders(noise: Tensor, support: Tensor, exemplars: int) -> Tensor:
    """(N, C, H, W): what the exemplar that leads each image stands for, of a support set (K, C, H, W)."""
    owned = leading(noise, exemplars) @ shares(len(support), exemplars).to(support)
    return torch.einsum("nk,kchw->nchw", owned, support)


def evenly(noise: Tensor, shift: Tensor) -> Tensor:
    """Normal noise (..., n, noise_size) whose first numbers go evenly through their distribution, so that a few images
    are led by all exemplars in turn; shift (...) in [0, 1) says where they begin.

    Of any 2^k in a row, counted from the first, each 2^-k of the distribution has one (van der Corput's sequence,
    rotated at random: Cranley and Patterson 1976).
    """
    sequence = torch.quasirandom.SobolEngine(1).draw(noise.shape[-2])[:, 0]
    places = ((sequence + shift[..., None]) % 1).clamp(1e-6, 1 - 1e-6)
    return torch.cat([torch.special.ndtri(places)[..., None], noise[..., 1:]], -1)
