"""What docs/python.md shows works as it stands there, and gives what the parts below it give."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import metagan
from metagan import interface
from metagan.errors import UserError
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import by_autograd
from metagan.parameters import validate
from metagan.training.data import sampling_tasks
from metagan.training.gan import load_gan

ROOT = Path(__file__).parents[1]
PAGE = "docs/python.md"


@pytest.fixture(scope="module")
def names(blocks: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page has made, in a folder with three dark letters on bright paper."""
    folder, before = tmp_path_factory.mktemp("page"), Path.cwd()
    (folder / "conf").symlink_to(ROOT / "conf")
    (folder / "my_pictures").mkdir()
    for number in range(3):
        letter = np.full((40, 40), 255, np.uint8)
        letter[8 + number : 30, 10:14] = letter[8:12, 10:30] = 0
        Image.fromarray(letter).save(folder / f"my_pictures/{number}.png")
    made: dict[str, Any] = {}
    os.chdir(folder)
    try:
        for block in blocks(PAGE):
            exec(block, made)
        made["read"] = metagan.read_pictures("my_pictures", made["tasks"])
    finally:
        os.chdir(before)
    return {**made, "folder": folder}


def test_the_page_ends_with_what_it_says(names: dict[str, Any]) -> None:
    images = names["images"]
    assert images.shape == (32, 1, 16, 16) and 0 <= images.min() < images.max() <= 1
    assert torch.equal(names["same"], images)
    assert not torch.equal(metagan.sample(names["generator"], 32, seed=2), images)
    with Image.open(names["folder"] / "samples.png") as picture:
        assert np.ptp(np.asarray(picture)) > 0


def test_pictures_are_read_as_bright_on_as_dark_as_the_tasks(names: dict[str, Any]) -> None:
    assert names["read"].shape == (3, 1, 16, 16)
    assert names["read"][:, :, 0].max() == 0 and names["read"].amax((1, 2, 3)).min() > 0.9


def test_a_generator_is_the_last_step_of_the_inner_loop(names: dict[str, Any]) -> None:
    gan, pictures = load_gan(names["model"], "meta_model"), names["pictures"]
    tasks = sampling_tasks(pictures[None], 5, 64, 0, gan.architecture)
    task = {name: value[0] for name, value in tasks.items()}
    *_, (last, _) = adapt(gan.learner(), gan.rules, gan.parameters, task, 5, by_autograd, False, from_start=True)
    state, at_temperature = names["generator"].state, gan.domain.gan.noise
    drawn = {name: value for name, value in state.items() if name not in at_temperature}
    assert len(drawn) > 5
    for name, value in drawn.items():
        assert torch.equal(value, last[f"generator.{name}"])
    assert any(not torch.equal(value, gan.parameters[f"generator.{name}"]) for name, value in drawn.items())


@pytest.mark.parametrize("environment", ["base", "local", "smoke", "omniglot", "colour", "speech"])
def test_settings_are_those_of_kedro(load_parameters: Callable[..., dict[str, Any]], environment: str) -> None:
    assert metagan.read_settings(ROOT / "conf", environment) == validate(load_parameters(environment))
    changed = validate(load_parameters(environment, seed=3, meta_train={"inner": {"steps": 7}}))
    assert metagan.read_settings(ROOT / "conf", environment, seed=3, meta_train={"inner": {"steps": 7}}) == changed


def test_what_is_wrong_is_named(names: dict[str, Any], tmp_path: Path) -> None:
    for conf, environment in ((tmp_path, "local"), (ROOT / "conf", "elsewhere")):
        with pytest.raises(UserError, match="there is no such folder"):
            metagan.read_settings(conf, environment)
    with pytest.raises(UserError, match=r"^meta_train\.networks\.generator_width: 'wide' is not valid"):
        metagan.read_settings(ROOT / "conf", meta_train={"networks": {"generator_width": "wide"}})
    with pytest.raises(UserError, match="is not a folder"):
        metagan.read_pictures(tmp_path / "nowhere", names["tasks"])
    with pytest.raises(UserError, match="trained with another architecture"):
        metagan.adapt(names["model"], names["pictures"][..., :8])


def test_all_that_is_meant_for_scripts_is_there() -> None:
    assert metagan.__all__ == interface.__all__
    assert all(getattr(metagan, name) is getattr(interface, name) for name in interface.__all__)


def test_the_package_is_light_and_its_functions_know_no_kedro() -> None:
    code = (
        "import sys, metagan\n"
        "assert not {'torch', 'numpy', 'PIL', 'pydantic'} & sys.modules.keys()\n"
        "assert callable(metagan.adapt) and 'torch' in sys.modules\n"
        "assert not {'kedro', 'mlflow'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
