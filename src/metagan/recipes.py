"""Named changes of the parameters, which stand over those of all files and under `--params`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from kedro.config import OmegaConfigLoader

from metagan.errors import UserError
from metagan.parameters import merged

NAME = "recipe"


def changes(recipes: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """What a recipe changes, on top of the one that it is `from`. Raises UserError for an unknown name."""
    if name not in recipes:
        raise UserError(f"{NAME}: {name!r} is not one of {', '.join(sorted(recipes))}")
    own = dict(recipes[name])
    base = own.pop("from", None)
    return merged(changes(recipes, base), own) if base else own


class ConfigLoader(OmegaConfigLoader):
    """Kedro's, which reads each file once, with the recipe that `--params recipe=NAME` names."""

    def __getitem__(self, key: str) -> dict[str, Any]:
        if key not in self:
            self[key] = self._with_recipe(key)
        return deepcopy(super().__getitem__(key))

    def _with_recipe(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = super().__getitem__(key)
        given = dict(self.runtime_params or {})
        if key != "parameters" or NAME not in given:
            return found
        chosen = changes(super().__getitem__("recipes"), given.pop(NAME))
        files = {name: value for name, value in found.items() if name != NAME}
        return merged(merged(files, chosen), given)
