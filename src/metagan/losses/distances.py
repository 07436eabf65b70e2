"""Distances between two sets of points: zero in expectation exactly when both come from one distribution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def _pairwise_squared(first: Tensor, second: Tensor) -> Tensor:
    product = first @ second.T
    return (first.square().sum(1)[:, None] + second.square().sum(1)[None] - 2 * product).clamp_min(0)


def _mean_off_diagonal(values: Tensor) -> Tensor:
    n = values.shape[0]
    return (values.sum() - values.diagonal().sum()) / (n * (n - 1))


def _distances(first: Tensor, second: Tensor) -> Tensor:
    # The small constant keeps the square root's derivatives finite on the diagonal.
    return (_pairwise_squared(first, second) + 1e-8).sqrt()


def energy_statistic(samples: Tensor, reference: Tensor) -> Tensor:
    """2 E|x - y| - E|x - x'| - E|y - y'| of (N, D) and (M, D) points with those pairs that a point makes with itself.

    Biased, at least 0, and there for single points too (Székely and Rizzo 2013, equation 6).
    """
    within = _distances(samples, samples).mean() + _distances(reference, reference).mean()
    return 2 * _distances(samples, reference).mean() - within


def energy_distance(samples: Tensor, reference: Tensor) -> Tensor:
    """Unbiased 2 E|x - y| - E|x - x'| - E|y - y'| of (N, D) and (M, D) points, N and M at least 2.

    Székely and Rizzo 2013, equation 5; being unbiased, an estimate can fall below 0.
    """
    return (
        2 * _distances(samples, reference).mean()
        - _mean_off_diagonal(_distances(samples, samples))
        - _mean_off_diagonal(_distances(reference, reference))
    )


def mmd(samples: Tensor, reference: Tensor, bandwidths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)) -> Tensor:
    """Unbiased squared maximum mean discrepancy of (N, D) and (M, D) points, N and M at least 2.

    Gretton et al. 2012, equation 3, with a mean of Gaussian kernels whose widths are `bandwidths` times the
    mean squared distance between reference points, which is not differentiated.
    """
    within_reference = _pairwise_squared(reference, reference)
    scale = _mean_off_diagonal(within_reference).detach() + 1e-8

    def kernel(squared: Tensor) -> Tensor:
        return torch.stack([torch.exp(-squared / (2 * bandwidth * scale)) for bandwidth in bandwidths]).mean(0)

    return (
        _mean_off_diagonal(kernel(_pairwise_squared(samples, samples)))
        + _mean_off_diagonal(kernel(within_reference))
        - 2 * kernel(_pairwise_squared(samples, reference)).mean()
    )


DISTANCES = {"energy": energy_distance, "mmd": mmd}


def multi_scale_pixels(images: Tensor) -> list[Tensor]:
    """(N, C, H, W) -> three (N, D) matrices: pixels at full, half and quarter size, each divided by its root of D.

    The division makes a distance a root mean square per pixel, whatever the size.
    """
    scales = [images, F.avg_pool2d(images, 2), F.avg_pool2d(images, 4)]
    return [scale.flatten(1) / scale[0].numel() ** 0.5 for scale in scales]
