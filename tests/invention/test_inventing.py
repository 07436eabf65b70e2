"""What passes the checks, what is dropped, and the bank that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metagan.errors import UserError
from metagan.invention.checks import Checks
from metagan.invention.inventing import Inventions, invented_plan
from metagan.invention.inventors import Studio
from metagan.parameters import Invent, validate
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import episode
from metagan.tasks.sources.base import Images

ALL = ("blank", "near_copy", "far", "inconsistent", "blurred", "repeated")
Draw = Callable[..., Images]
MakeSettings = Callable[..., Invent]
InventClasses = Callable[[Studio, nn.Module, Invent, int], Inventions]


@pytest.fixture
def reasons(bank: TaskBank, embed: nn.Module, make_settings: MakeSettings) -> Callable[..., list[str]]:
    """Why each of some classes of stored images is dropped."""

    def find(classes: list[Images], checks: tuple[str, ...] = ALL) -> list[str]:
        looking = Checks(bank, bank.splits["train"], embed, make_settings(checks=checks), 0)
        verdicts = looking.verdicts(bank.domain.to_tensor(np.stack(classes)), len(classes))
        return [verdict.reason for verdict in verdicts]

    return find


def new(draw: Draw, count: int = 24) -> list[Images]:
    return [draw(1000 + number) for number in range(count)]


def test_most_new_characters_of_the_same_hand_pass(reasons: Callable[..., list[str]], draw: Draw) -> None:
    assert reasons(new(draw, 40)).count("") >= 28


def test_what_is_wrong_is_dropped_for_what_is_wrong(reasons: Callable[..., list[str]], draw: Draw) -> None:
    generator = np.random.default_rng(0)
    noise = [generator.integers(0, 256, draw(0).shape, np.uint8) for _ in range(3)]
    blurred = [blur(draw(2000 + number)) for number in range(3)]
    faint = [draw(3000) // 3, np.zeros_like(draw(0))]
    mixed = [np.concatenate([draw(4000 + 3 * number + part)[:4] for part in range(3)]) for number in range(3)]
    found = reasons([*new(draw), *noise, *blurred, *faint, *mixed])[24:]
    assert set(found[:3]) == {"far"}
    assert set(found[3:6]) <= {"blurred", "far"} and "blurred" in found[3:6]
    assert found[6:8] == ["blank", "blank"]
    assert found[8:].count("inconsistent") >= 2


def test_other_drawings_of_train_classes_are_near_copies(reasons: Callable[..., list[str]], draw: Draw) -> None:
    found = reasons([draw(character, seed=1) for character in range(24)])
    assert found.count("near_copy") >= 20


def test_the_same_class_passes_once(reasons: Callable[..., list[str]], draw: Draw) -> None:
    found = reasons([draw(1000), draw(1000, seed=1), *new(draw)[1:]], checks=("repeated",))
    assert found[:2] == ["", "repeated"]


def test_only_what_is_asked_for_is_checked(reasons: Callable[..., list[str]], draw: Draw) -> None:
    classes = [np.zeros_like(draw(0)), *(draw(character, seed=1) for character in range(24))]
    assert set(reasons(classes, checks=())) == {""}
    assert reasons(classes, checks=("blank",)) == ["blank"] + [""] * 24


def blur(images: Images) -> Images:
    pooled = nn.functional.avg_pool2d(torch.from_numpy(images / 255.0), 5, 1, 2)
    return (255 * (pooled / pooled.amax((2, 3), keepdim=True))).numpy().astype(np.uint8)


def test_the_bank_is_one_of_train_classes_that_tasks_are_drawn_from(
    studio: Studio, invented: InventClasses, embed: nn.Module, make_settings: MakeSettings, tmp_path: Path
) -> None:
    found = invented(studio, embed, make_settings(), 0)
    bank = invented_plan(found, studio.bank).write(tmp_path / "bank", progress=False)
    assert (bank.source, bank.example) == ("invented", studio.bank.example)
    assert {split: len(classes) for split, classes in bank.splits.items()} == {"train": 10, "val": 0, "test": 0}
    assert [record.name for record in bank.classes] == [row["name"] for row in found.rows]
    assert {record.group: record.n_images for record in bank.classes} == dict.fromkeys(Invent().how, 12)
    assert all(np.array_equal(bank.class_images(i), images) for i, images in enumerate(found.images))
    assert episode(bank, "train", 0, 0, 5, 1, 3).query.shape == (5, 3, 1, 16, 16)
    for row in found.rows:
        parents = {record.name for record in studio.bank.classes if record.split == "train"}
        assert set(row["parents"]) <= parents and row["nearest"] in parents
    with pytest.raises(UserError, match="split 'test' has 0 to draw from"):
        episode(bank, "test", 0, 0, 5, 1, 3)


def test_the_same_seed_gives_the_same_bank(
    studio: Studio, invented: InventClasses, embed: nn.Module, make_settings: MakeSettings
) -> None:
    first, again, other = (invented(studio, embed, make_settings(), seed) for seed in (0, 0, 1))
    assert np.array_equal(first.images, again.images) and first.rows == again.rows
    assert not np.array_equal(first.images, other.images)


def test_what_is_dropped_is_counted_and_said(
    studio: Studio,
    invented: InventClasses,
    embed: nn.Module,
    make_settings: MakeSettings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def every_other(checks: Checks, own: Tensor, *numbers: float) -> str:
        every_other.calls += 1
        return "far" if every_other.calls % 2 else ""

    every_other.calls = 0
    monkeypatch.setattr(Checks, "_reason", every_other)
    settings = make_settings(how=["anchors"], classes=10, rounds=1)
    with caplog.at_level("INFO"):
        found = invented(studio, embed, settings, 0)
    assert found.table() == {"anchors": {"tried": 16, "kept": 8, "dropped": {"far": 8}}}
    assert "8 of 16 drafts are kept; dropped: 8 far" in caplog.text
    assert "invent.classes: only 8 of 10 passed the checks in 1 rounds" in caplog.text
    found = invented(studio, embed, make_settings(how=["anchors"], classes=10, rounds=3), 0)
    assert len(found.images) == len(found.rows) == 10


def test_too_few_are_refused(
    studio: Studio,
    invented: InventClasses,
    embed: nn.Module,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Checks, "_reason", lambda *_: "blank")
    with pytest.raises(UserError, match=r"of 20 drafts 0 passed the checks \(20 blank\), and at least 2 are needed"):
        invented(studio, embed, make_settings(), 0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"how": ["dream"]}, "invent.how.0: 'dream' is not one of 'interpolate', 'directions', 'strokes', 'anchors'"),
        ({"how": []}, "invent.how: [] must have at least 1 item"),
        ({"split": "test"}, "invent.split: 'test' must be train: invented classes are learned from, and val and test"),
        ({"images": 65}, "invent.images: 65 is not valid: input should be less than or equal to 64"),
        ({"interpolate": {"parents": 4}}, "invent.interpolate.parents: 4 is not valid"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict, told: str) -> None:
    with pytest.raises(UserError) as refused:
        validate({"invent": settings})
    assert str(refused.value).startswith(told)
