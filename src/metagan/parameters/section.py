"""What the sections of the parameters are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError

from metagan.errors import UserError
from metagan.parameters.messages import line


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
LARGEST = 2**31 - 1
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Plural = Annotated[int, Field(ge=2, le=LARGEST)]
NonNegative = Annotated[float, Field(ge=0.0)]
Rate = Annotated[float, Field(gt=0, le=10)]
ImageSize = Annotated[int, Field(ge=16, le=64, multiple_of=4)]
Channels = Annotated[Literal[1, 3], BeforeValidator(_no_boolean)]
Width = Annotated[int, Field(ge=8, le=512)]
Item = TypeVar("Item")
Checked = TypeVar("Checked", bound="Section")


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be text of one line that can be printed")
    return value


def _not_empty(value: tuple[Item, ...]) -> tuple[Item, ...]:
    if not value:
        raise ValueError("must have at least 1 item")
    return value


Several: TypeAlias = Annotated[tuple[Item, ...], Strict(False)]  # YAML has lists
OneOrMore: TypeAlias = Annotated[Several[Item], AfterValidator(_not_empty)]
Text = Annotated[str, AfterValidator(_printable)]
Name = Annotated[Text, Field(min_length=1, max_length=100)]


def _increasing(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value or value[0] < 0 or list(value) != sorted(set(value)):
        raise ValueError("must be different step numbers in increasing order, none below 0, for example [0, 1, 5, 20]")
    return value


def _adapting(value: tuple[int, ...]) -> tuple[int, ...]:
    if value[-1] == 0:
        raise ValueError("must name a step above 0: before the first, nothing has been adapted")
    return value


Steps = Annotated[Several[Count], AfterValidator(_increasing), AfterValidator(_adapting)]


class Section(BaseModel):
    """A frozen group of parameters that refuses names it does not know and values of another type (`true` is no 1);
    a check of the group starts its message with the name of the parameter at fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values with changes, section by section."""
    return {**values} | {
        name: merged(values[name], change)
        if isinstance(change, Mapping) and isinstance(values.get(name), Mapping)
        else change
        for name, change in changes.items()
    }


def valid_section(name: str, section: type[Checked], values: Mapping[str, Any]) -> Checked:
    """The section of these values; raises UserError with one line that names the parameter after `name`."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{name}.{line(error.errors()[0], section)}") from None
