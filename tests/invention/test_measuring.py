"""Each measure says yes to real classes and no to copies, noise and blur."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metagan.invention import measuring
from metagan.invention.inventing import Inventions, invented_plan
from metagan.invention.inventors import Studio
from metagan.invention.measuring import controls, learnability, measured, yardstick
from metagan.parameters import Invent
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import Images

Draw = Callable[..., Images]
MakeSettings = Callable[..., Invent]


@pytest.fixture
def shares(studio: Studio, embed: nn.Module, make_settings: MakeSettings) -> Callable[[Tensor], dict[str, float]]:
    by = yardstick(studio.bank, studio.gan, embed, make_settings(), 0)

    def find(images: Tensor) -> dict[str, float]:
        return by.shares(by.find(measuring.class_features(embed, images), images))

    return find


def tensor(bank: TaskBank, classes: list[Images]) -> Tensor:
    return bank.domain.to_tensor(np.stack(classes))


def test_new_characters_are_new(shares: Callable[[Tensor], dict[str, float]], bank: TaskBank, draw: Draw) -> None:
    found = shares(tensor(bank, [draw(5000 + number) for number in range(40)]))
    assert found["classes"] == 40
    assert found["new_and_consistent"] > 0.75 and found["copies"] < 0.1 and found["sharp"] > 0.7


def test_copies_are_told(shares: Callable[[Tensor], dict[str, float]], bank: TaskBank, draw: Draw) -> None:
    found = shares(tensor(bank, [draw(number, seed=7) for number in range(30)]))
    assert found["copies"] > 0.8 and found["new_and_consistent"] < 0.2 and found["consistent"] > 0.85


def test_noise_is_no_class(shares: Callable[[Tensor], dict[str, float]], bank: TaskBank) -> None:
    found = shares(torch.rand(40, 12, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert found["consistent"] < 0.1 and found["repeated"] == 1 and found["sharp"] == 0
    assert found["new_and_consistent"] < 0.1


def test_blur_is_not_sharp(shares: Callable[[Tensor], dict[str, float]], bank: TaskBank, draw: Draw) -> None:
    images = tensor(bank, [draw(5000 + number) for number in range(30)])
    blurred = nn.functional.avg_pool2d(images.flatten(0, 1), 5, 1, 2).view_as(images)
    assert shares(blurred)["sharp"] < 0.1


def test_the_same_class_twice_is_repeated(
    shares: Callable[[Tensor], dict[str, float]], bank: TaskBank, draw: Draw
) -> None:
    twice = [draw(5000 + number, seed=seed) for number in range(20) for seed in (1, 2)]
    assert shares(tensor(bank, twice))["repeated"] > 0.9


def test_noise_cannot_be_learned(
    studio: Studio, embed: nn.Module, bank: TaskBank, draw: Draw, make_settings: MakeSettings
) -> None:
    def learned(images: Tensor) -> dict[str, float]:
        return learnability(bank, studio.gan, embed, images, make_settings(), 0)

    real = learned(tensor(bank, [draw(6000 + number) for number in range(40)]))
    noise = learned(torch.rand(40, 12, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert real["classifier"] > 0.8 and noise["classifier"] == pytest.approx(1 / 5, abs=0.1)
    assert real["from_scratch"] > 0.5 and noise["from_scratch"] == pytest.approx(1 / 20, abs=0.06)
    assert noise["generator"] < 0.2


def test_the_table_holds_every_class_and_every_control(
    studio: Studio, invented: Callable[..., Inventions], embed: nn.Module, make_settings: MakeSettings, tmp_path
) -> None:
    settings = make_settings(classes=20)
    found = invented(studio, embed, settings, 0)
    bank = invented_plan(found, studio.bank).write(tmp_path / "bank", progress=False)
    table = measured(studio.bank, bank, studio.gan, embed, settings, 0)
    assert table["invented"]["classes"] == 20 and list(table["inventors"]) == list(settings.how)
    weighed = sum(row["classes"] * row["new"] for row in table["inventors"].values()) / 20
    assert weighed == pytest.approx(table["invented"]["new"])
    assert [row["name"] for row in table["classes"]] == [row["name"] for row in found.rows]
    train = {studio.bank.classes[index].name for index in studio.bank.splits["train"]}
    assert {row["nearest"] for row in table["classes"]} <= train
    assert table["controls"]["noise"]["consistent"] < 0.3
    own = controls(studio.bank, studio.gan, torch.rand(20, 12, 1, 16, 16), settings, 0)
    assert list(table["controls"]) == list(own)


def test_limits_are_of_test_classes_alone(studio: Studio, embed: nn.Module, make_settings: MakeSettings) -> None:
    bank, settings = studio.bank, make_settings()
    limits = yardstick(bank, studio.gan, embed, settings, 0).limits
    images = np.array(bank.images)
    images[bank.places("val")] = 0
    assert yardstick(replace(bank, images=images), studio.gan, embed, settings, 0).limits == limits
    images[bank.places("test")[:12]] = 255
    assert yardstick(replace(bank, images=images), studio.gan, embed, settings, 0).limits != limits
