"""Second-order MAML (Finn et al. 2017, algorithm 1)."""

from __future__ import annotations

from functools import partial

from metagan.meta.meta_gradients.base import MetaGradient, through_the_inner_loop

maml: MetaGradient = partial(through_the_inner_loop, second_order=True)
