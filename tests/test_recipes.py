"""Recipes: each is possible, builds on what it says, and gives way to the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from metagan.errors import UserError
from metagan.parameters import validate
from metagan.recipes import ConfigLoader, changes

ROOT = Path(__file__).parents[1]
RECIPES = yaml.safe_load((ROOT / "conf/base/recipes.yml").read_text(encoding="utf-8"))
SHAPES = {"5w1s": (5, 1), "5w5s": (5, 5), "20w1s": (20, 1), "20w5s": (20, 5)}
LoadParameters = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_possible(name: str, load_parameters: LoadParameters) -> None:
    validate(load_parameters("base", recipe=name))


@pytest.mark.parametrize("method", ["prototypical", "matching", "maml", "fomaml", "reptile"])
@pytest.mark.parametrize("cell", SHAPES)
def test_every_cell_of_a_published_row_has_a_recipe_of_its_shape(
    method: str, cell: str, load_parameters: LoadParameters
) -> None:
    found = validate(load_parameters("base", recipe=f"{method}_{cell}"))
    n_way, k_shot = SHAPES[cell]
    assert found.compare_classifiers.methods == (method,)
    assert (found.robustness.n_way, found.robustness.k_shot) == ((n_way,), (k_shot,))
    assert found.tasks.source == "omniglot" and found.tasks.omniglot.split == "vinyals"
    assert found.robustness.linf_epsilons == (0.0,) and found.robustness.episodes == 1000


def test_a_recipe_is_over_the_files_and_under_the_command_line(load_parameters: LoadParameters) -> None:
    plain = load_parameters("smoke")
    found = load_parameters("smoke", recipe="aq", classifier={"n_query": 3, "adversary": {"where": "support"}})
    assert plain["classifier"]["method"] == "prototypical" and found["classifier"]["method"] == "maml"
    assert found["classifier"]["adversary"]["loss"] == "adversarial"
    assert found["classifier"]["adversary"]["where"] == "support" and found["classifier"]["n_query"] == 3
    assert found["tasks"] == plain["tasks"] and "recipe" not in found


def test_a_recipe_builds_on_another() -> None:
    recipes = {"a": {"x": {"p": 1, "q": 1}}, "b": {"from": "a", "x": {"q": 2}}, "c": {"from": "b", "y": 3}}
    assert changes(recipes, "c") == {"x": {"p": 1, "q": 2}, "y": 3}
    assert recipes["b"]["from"] == "a"


def test_an_unknown_recipe_is_told_with_those_that_there_are(load_parameters: LoadParameters) -> None:
    with pytest.raises(UserError, match=r"^recipe: 'mamml' is not one of adml, adversaries, aq, augment, ") as error:
        load_parameters("base", recipe="mamml")
    assert "\n" not in str(error.value)


def test_a_file_is_read_once_and_nobody_changes_what_another_gets(tmp_path: Path) -> None:
    for folder in ("base", "local"):
        (tmp_path / folder).mkdir()
    (tmp_path / "base/parameters.yml").write_text("{seed: 1, report: {title: a}}", encoding="utf-8")
    loader = ConfigLoader(str(tmp_path), base_env="base", default_run_env="local")
    loader["parameters"]["report"]["title"] = "b"
    (tmp_path / "base/parameters.yml").unlink()
    assert loader["parameters"] == {"seed": 1, "report": {"title": "a"}}
