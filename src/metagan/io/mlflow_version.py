"""Which MLflow there is, and whether metagan knows it from inside."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from types import ModuleType

from packaging.specifiers import SpecifierSet

VERSION = version("mlflow")
KNOWN = SpecifierSet("~=3.17.0")
"""The versions with which `mlflow_inside` was tried."""


def inside() -> ModuleType | None:
    """The module `mlflow_inside`, or None where it would stand on names that may be gone."""
    return import_module("metagan.io.mlflow_inside") if VERSION in KNOWN else None
