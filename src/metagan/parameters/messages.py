"""A refusal of pydantic in one line that starts with the name of the parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def line(details: ErrorDetails, section: type[BaseModel]) -> str:
    """The name of the parameter, its value, and what would be right."""
    name, value, context = ".".join(map(str, details["loc"])), details["input"], details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return f"{name}: unknown parameter; known here are {_siblings(details['loc'], section)}"
        case "literal_error":
            return f"{name}: {value!r} is not one of {context['expected'].replace(' or ', ', ')}"
        case "value_error" if isinstance(value, Mapping):  # a check of a whole section names the parameter itself
            return f"{name}.{context['error']}".removeprefix(".")
        case "value_error":
            return f"{name}: {value!r} {context['error']}"
        case _:
            return f"{name}: {value!r} is not valid: {details['msg'][0].lower()}{details['msg'][1:]}"


def _siblings(location: tuple[int | str, ...], section: type[BaseModel]) -> str:
    for part in location[:-1]:
        section = section.model_fields[str(part)].annotation  # type: ignore[assignment]
    return ", ".join(section.model_fields)
