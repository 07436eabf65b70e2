"""Any name that the file system takes reaches a node as it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from metagan.domains import stored_example
from metagan.errors import UserError
from metagan.parameters import validate
from metagan.parameters.folder import local_path
from metagan.tasks.bank import TaskBank
from metagan.tasks.own_pictures import read_own_classes, read_own_pictures
from metagan.tasks.sources.base import ClassRecord
from metagan.tasks.sources.image_folder import image_folder

NAMES = (
    b"it's",
    b"a,b",
    b'say "x"',
    b"back\\slash",
    b"${seed}",
    b"$(HOME) $HOME",
    b"2024",
    b"null",
    b"two\nlines",
    b"[a]: {b}",
    b"#1 *",
    b"~",
    b"\xff\xfe",
    "日本 é".encode(),
)


@pytest.fixture
def bank() -> TaskBank:
    images = np.zeros((2, 1, 16, 16), np.uint8)
    classes, example = (ClassRecord("a", "", "train", 2),), stored_example("image", (1, 16, 16))
    return TaskBank(images, np.array([0, 2]), classes, "dark", example, content_hash="")


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_read_from_a_folder_of_any_name(
    name: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load_parameters: Callable[..., dict[str, Any]],
    bank: TaskBank,
) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(folder / f"{number}.png")
    monkeypatch.setenv("METAGAN_ADAPT_IMAGES", str(folder))
    settings = load_parameters("smoke", adapt={"steps": 3})["adapt"]
    settings["images"].encode()  # as MLflow writes it down
    images, _, files = read_own_pictures(validate({"adapt": settings}).adapt, bank)
    assert len(images) == 3
    assert os.fsencode(files[0].parent) == os.fsencode(tmp_path) + b"/" + name


@pytest.mark.parametrize("name", NAMES)
def test_classes_and_mirrors_may_have_any_name(
    name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load_parameters: Callable[..., dict[str, Any]]
) -> None:
    path = tmp_path / os.fsdecode(name)
    for number in range(3):
        (path / os.fsdecode(name) / str(number)).mkdir(parents=True)
    monkeypatch.setenv("METAGAN_IMAGE_FOLDER", str(path))
    monkeypatch.setenv("METAGAN_OMNIGLOT_MIRROR", str(path))
    tasks = validate(load_parameters("smoke", tasks={"source": "image_folder"})).tasks
    assert tasks.image_folder.path == path
    assert local_path(tasks.omniglot.mirror or "") == path


@pytest.mark.parametrize("name", [b"two\nlines", b"\xff\xfe", b"tab\tbell\x07", "\u2028".encode()])
def test_names_of_classes_can_be_written_down(name: bytes, tmp_path: Path) -> None:
    for number in range(10):
        folder = tmp_path / "all" / os.fsdecode(name + str(number).encode())
        folder.mkdir(parents=True)
        for picture in ("1.png", "2.png"):
            Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(folder / picture)
    parameters = validate({"tasks": {"source": "image_folder", "image_folder": {"path": str(tmp_path / "all")}}})
    source = image_folder(parameters.tasks, 0, tmp_path)
    names = [record.name for record in source.classes]
    assert len(set(names)) == 10
    for shown in names:
        shown.encode()
        assert "\\" in shown and len(shown.splitlines()) == 1
    assert source.render(0).shape == (2, 1, 28, 28)


@pytest.mark.parametrize("name", NAMES)
def test_own_classes_are_read_from_a_folder_of_any_name(
    name: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load_parameters: Callable[..., dict[str, Any]],
    bank: TaskBank,
) -> None:
    folder = tmp_path / os.fsdecode(name)
    (folder / os.fsdecode(name)).mkdir(parents=True)
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(folder / os.fsdecode(name) / "1.png")
    monkeypatch.setenv("METAGAN_AUGMENT_IMAGES", str(folder))
    settings = load_parameters("smoke", augment={"steps": 3})["augment"]
    settings["images"].encode()  # as MLflow writes it down
    classes = read_own_classes(validate({"augment": settings}).augment, bank, 1)
    assert [os.fsencode(of_class) for of_class in classes] == [name]
    assert [own.side for own in classes.values()] == [20]


def test_a_home_is_expanded_and_a_number_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert validate({"adapt": {"images": "~/sevens"}}).adapt.images == tmp_path / "sevens"
    assert local_path("~/zips") == tmp_path / "zips"
    assert local_path("./~") == Path("~")
    assert local_path("~nobody of that name") == Path("~nobody of that name")
    for name in ("adapt.images", "tasks.image_folder.path"):
        *sections, field = name.split(".")
        values: dict[str, Any] = {field: 7}
        for section in reversed(sections):
            values = {section: values}
        with pytest.raises(UserError, match=rf"{name}: 7 is no text: write \./7 for a folder of that name"):
            validate(values)


def test_an_empty_variable_is_none(
    monkeypatch: pytest.MonkeyPatch, load_parameters: Callable[..., dict[str, Any]]
) -> None:
    for section in ("adapt", "augment"):
        monkeypatch.setenv(f"METAGAN_{section.upper()}_IMAGES", "")
        assert load_parameters("smoke")[section]["images"] is None
