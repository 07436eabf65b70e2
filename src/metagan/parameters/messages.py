"""A refusal of pydantic in one line that starts with the name of the parameter."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import Repr
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_shortened = Repr()
_shortened.maxstring = _shortened.maxother = 200
_shortened.maxlong = 40


def line(details: ErrorDetails, section: type[BaseModel]) -> str:
    """The name of the parameter, its value, and what would be right."""
    name, value, context = ".".join(map(_part, details["loc"])), details["input"], details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return f"{name}: unknown parameter; known here are {_siblings(details['loc'], section)}"
        case "literal_error":
            return f"{name}: {_shown(value)} is not one of {context['expected'].replace(' or ', ', ')}"
        case "value_error" if isinstance(value, Mapping):  # a check of a whole section names the parameter itself
            return f"{name}.{context['error']}".removeprefix(".")
        case "value_error":
            return f"{name}: {_shown(value)} {context['error']}"
        case _:
            return f"{name}: {_shown(value)} is not valid: {details['msg'][0].lower()}{details['msg'][1:]}"


def _part(name: int | str) -> str:
    """A part of a name, escaped where it would break the line."""
    text = str(name)
    return text if text.isprintable() and len(text) <= 200 else _shown(text)


def _shown(value: object) -> str:
    try:
        return _shortened.repr(value)
    except ValueError:  # Python writes out no integer of more than 4,300 digits
        return "a number of thousands of digits"


def _siblings(location: tuple[int | str, ...], section: type[BaseModel]) -> str:
    for part in location[:-1]:
        if not isinstance(part, int):  # the number of an element, whose section is that of all
            section = _section_of(section.model_fields[part].annotation) or section
    return ", ".join(section.model_fields)


def _section_of(annotation: object) -> type[BaseModel] | None:
    """The section in an annotation such as `Inner`, `list[Inner]` or `Inner | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section_of, get_args(annotation))), None)
