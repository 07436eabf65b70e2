"""Where samples may be written, and what is never overwritten."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from metagan import sample_folder
from metagan.errors import UserError
from metagan.parameters import Augment
from metagan.places import check_augment
from metagan.sample_folder import TABLE, check_output, check_space, writing


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "mine/cats").mkdir(parents=True)
    (tmp_path / "mine/cats/1.png").touch()
    return tmp_path / "mine"


def write(output: Path, *files: str) -> None:
    with writing(output) as (folder, table):
        for name in files:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
            table.writerow({"file": name})


def refusal(output: Path, images: Path) -> str:
    with pytest.raises(UserError) as refused:
        check_output(output, images)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_input_is_never_the_output(images: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(images)
    for same in (images, link, images / "cats" / ".."):
        assert refusal(same, images) == f"augment.output: {same} is augment.images: name another folder"
    assert refusal(images / "cats/more", images).endswith("must lie apart, but one is inside augment.images")
    assert refusal(link / "new", images).endswith("must lie apart, but one is inside augment.images")
    assert refusal(tmp_path, images).endswith("must lie apart, but one is inside augment.output")
    check_output(tmp_path / "mine too", images)  # whose name begins alike


def test_only_samples_are_replaced(images: Path, tmp_path: Path) -> None:
    output = tmp_path / "new/output"
    check_output(output, images)
    write(output, "a/1.png", "a/2.png", "b/1.png")
    (output / "b/1.png").unlink()  # a person may throw some away
    check_output(output, images)
    write(output, "a/3.png")
    assert sorted(path.name for path in output.rglob("*.png")) == ["3.png"]
    assert [path.name for path in output.parent.iterdir()] == ["output"]
    (output / "a/thesis.txt").touch()
    assert "holds a/thesis.txt, which augment has not written" in refusal(output, images)
    (output / "a/thesis.txt").unlink()
    (output / "c").symlink_to(images)
    assert "holds c, which augment has not written" in refusal(output, images)


@pytest.mark.parametrize("table", [None, b"", b"file\n1.png\n", b"\xff\xfe", b'"'])
def test_a_folder_of_something_else_is_not_replaced(table: bytes | None, images: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    check_output(output, images)  # an empty one
    (output / "1.png").touch()
    if table is not None:
        (output / TABLE).write_bytes(table)
    assert "holds 1.png, which augment has not written" in refusal(output, images)
    assert refusal(output / "1.png", images).endswith("1.png is not a folder")


def test_a_name_that_cannot_be_printed_is_known_again(images: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff")
    with writing(tmp_path / "output") as (folder, table):
        (folder / name).mkdir()
        (folder / name / "1.png").touch()
        table.writerow({"file": r"\xff/1.png"})
    check_output(tmp_path / "output", images)


def test_what_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    output = tmp_path / "output"
    write(output, "a/1.png")
    with pytest.raises(ZeroDivisionError), writing(output) as (folder, table):
        table.writerow({"file": "2.png"})
        (folder / "2.png").touch()
        raise ZeroDivisionError
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["1.png", "a", "output", TABLE]


def test_disk_space_is_told_and_must_suffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=100 * 2**20)
    monkeypatch.setattr(sample_folder.shutil, "disk_usage", lambda path: free if path.exists() else pytest.fail())
    output = tmp_path / "new/output"
    assert check_space(output, 50 * 2**20, 256) == (
        f"256 pictures may take 51.0 MiB; 100.0 MiB are free where {output} is"
    )
    with pytest.raises(
        UserError, match=r"augment\.samples: 1,000,000 pictures may take .*; 100\.0 MiB are free .*fewer"
    ):
        check_space(output, 0, 10**6)


def test_a_folder_without_classes_is_told_early(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^augment\.images: must name a folder of class folders, as in kedro run "):
        check_augment(Augment())
    for folder, told in ((tmp_path / "no", "is not a folder"), (images / "cats", "holds no class folders")):
        with pytest.raises(UserError, match=rf"^augment\.images: {re.escape(str(folder))} {told}$"):
            check_augment(Augment(images=folder))
    with pytest.raises(UserError, match=r"^augment\.output: .* is augment\.images"):
        check_augment(Augment(images=images, output=images))
    with pytest.raises(UserError, match=r"^augment\.output: .* is augment\.images"):
        check_augment(Augment(images=images), images)
    check_augment(Augment(images=images, output=tmp_path / "output"), images)
