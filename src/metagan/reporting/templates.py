"""The pages' Jinja templates, which lie beside this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def template(name: str, **filters: Callable[..., Any]) -> Template:
    """A template by the name of its file; what it prints is escaped, and a missing value is an error."""
    environment = Environment(
        loader=PackageLoader("metagan", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(name)
