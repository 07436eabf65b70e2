"""Meta-gradients: how the outer update is estimated from one task.

A new one is a file here that has its name, and a word in `metagan.parameters.meta_train`.
"""

from importlib import import_module
from typing import get_args

from metagan.meta.meta_gradients.base import MetaGradient
from metagan.parameters.meta_train import MetaGradientName

META_GRADIENTS: dict[str, MetaGradient] = {
    name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(MetaGradientName)
}

__all__ = ["META_GRADIENTS", "MetaGradient"]
