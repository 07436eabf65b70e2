"""Feature arrays: the currency of every metric here, made once per set of images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Features = np.ndarray | Tensor
Embed = Callable[[Tensor], Tensor]


def embed_images(embed: Embed, images: Tensor, batch_size: int = 512) -> np.ndarray:
    """Features (..., F) in float32 of images (..., C, H, W) in [0, 1], embedded without gradients, batch by batch.

    Every image is embedded in a batch with others of the same call, so `embed` must treat them independently.
    """
    leading = images.shape[:-3]
    with torch.no_grad():
        batches = [embed(batch).detach().cpu() for batch in images.flatten(0, -4).split(batch_size)]
    return torch.cat(batches).reshape(*leading, -1).numpy()


def diverged(images: Tensor) -> Tensor:
    """Which of the images (..., C, H, W) hold a NaN or infinite pixel, bool (...)."""
    return ~images.isfinite().flatten(-3).all(dim=-1)


def blank_where_diverged(images: Tensor) -> Tensor:
    """The same images (..., C, H, W), the diverged ones made black.

    A generator that diverged has failed, and black images score as the failure they are; dropping them would flatter.
    """
    return images.masked_fill(diverged(images)[..., None, None, None], 0.0)


def as_float64(features: Features) -> np.ndarray:
    """The same features as a numpy array in float64.

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    array = features.detach().cpu().numpy() if isinstance(features, Tensor) else np.asarray(features)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"features must be finite: {np.count_nonzero(~np.isfinite(array))} of {array.size} are not")
    return array


def as_pair(samples: Features, real: Features) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 matrices (N, F) with the same shape.

    Distances between finite sets are biased by their sizes, so sets of different sizes are refused.

    Raises:
        ValueError: they are not matrices of one common shape.
    """
    first, second = as_float64(samples), as_float64(real)
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            f"samples and real features must be matrices (N, F) of one shape, not {first.shape} and {second.shape}"
        )
    return first, second


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Euclidean distances (..., n, m) between float64 features (..., n, F) and (..., m, F); exactly 0 where equal."""
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(torch.from_numpy(first), torch.from_numpy(second), compute_mode=exact).numpy()
