"""First-order MAML: inner gradients are constants (Finn et al. 2017, section 5.2; Nichol et al. 2018, section 5)."""

from __future__ import annotations

from functools import partial

from metagan.meta.meta_gradients.base import MetaGradient, through_the_inner_loop

fomaml: MetaGradient = partial(through_the_inner_loop, second_order=False)
