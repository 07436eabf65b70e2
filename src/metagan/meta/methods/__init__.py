"""Methods of few-shot classification.

A new method is a file here that has the method's name, and a word in `metagan.parameters.method`.
"""

from importlib import import_module
from typing import get_args

from metagan.meta.methods.base import Method
from metagan.parameters.method import MethodName

METHODS: dict[str, Method] = {name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(MethodName)}

__all__ = ["METHODS", "Method"]
