"""What an example is, as banks and saved models say it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from metagan.parameters.section import Name, Section, Several

DomainName = Literal["image", "speech", "text"]
"""A new domain's name goes here; its file has the same name."""

WITHOUT_ATTACKS: frozenset[DomainName] = frozenset({"speech", "text"})
"""Domains in which a small change of all numbers is nothing that a person would call the same example."""

Length = Annotated[int, Field(ge=1, le=2**16)]


class Example(Section):
    """The domain of an example, a name in `metagan.domains.DOMAINS`, and the shape in which it is stored."""

    domain: Name = "image"
    shape: Annotated[Several[Length], Field(min_length=1, max_length=4)]


class StoredExample(Example):
    """With the type and the range of its numbers; `on_paper` where what is bright is ink, shown dark on white."""

    dtype: Name
    range: Several[float]
    on_paper: bool = False
