"""What a stream of phases does to quality: a matrix of looks x phases, a look after each segment of the stream.

Measures are of quality, of which more is better: `sign` is -1 for a distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def continual_measures(matrix: ArrayLike, sign: int = 1) -> dict[str, Any]:
    """Of values (looks, phases), at least two of each; phase i was first trained on in the segment before look i.

    `average`: over the phases, at the last look, as it was measured. `forgetting`: the best of all earlier looks less
    the last, a mean over all phases but the last (Chaudhry et al. 2018, arXiv 1801.10112, section 3).
    `backward_transfer`: the last look less the one after the phase's first segment, over the same phases (Lopez-Paz and
    Ranzato 2017, arXiv 1706.08840, section 2).
    """
    values = sign * np.asarray(matrix, dtype=np.float64)
    looks, phases = values.shape
    if looks < 2 or not 2 <= phases <= looks:
        raise ValueError(f"a matrix of at least 2 looks and as many phases at most, not {looks} x {phases}")
    earlier = values[:, : phases - 1]
    first = np.diag(values)[:-1]
    return {
        "average": float(sign * values[-1].mean()),
        "forgetting": float((earlier[:-1].max(0) - earlier[-1]).mean()),
        "backward_transfer": float((earlier[-1] - first).mean()),
    }


def first_regret(matrix: ArrayLike, reference: Sequence[float], sign: int = 1) -> float:
    """How much worse a new phase is at its first adaptation, before any training on it, than a reference (phases,): a
    mean over all phases but the first."""
    values, reached = sign * np.asarray(matrix, dtype=np.float64), sign * np.asarray(reference, dtype=np.float64)
    before = np.diag(values, 1)
    return float((reached[1:] - before[: len(reached) - 1]).mean())
