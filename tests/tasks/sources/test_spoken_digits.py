from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES, spoken_digits
from metagan.tasks.sources.base import Source


def open_source(mirror: Path, split: str = "digits", seed: int = 0) -> Source:
    settings = {"mirror": str(mirror), "split": split}
    return SOURCES["spoken_digits"](
        Tasks(source="spoken_digits", image_size=32, spoken_digits=settings), seed, Path("unused")
    )


@pytest.mark.parametrize(("split", "counts"), [("digits", (36, 6, 18)), ("speakers", (30, 10, 20))])
def test_no_digit_or_no_speaker_is_in_two_splits(shared_fsdd: Path, split: str, counts: tuple[int, ...]) -> None:
    source = open_source(shared_fsdd, split)
    assert len(source.classes) == 60 and {record.n_images for record in source.classes} == {50}
    found = Counter(record.split for record in source.classes)
    assert tuple(found[name] for name in ("train", "val", "test")) == counts
    speakers, digits = zip(*(record.name.split("/") for record in source.classes), strict=True)
    held_back = digits if split == "digits" else speakers
    assert [record.group for record in source.classes] == list(held_back)
    assert len({(group, record.split) for group, record in zip(held_back, source.classes, strict=True)}) == len(
        set(held_back)
    )
    assert len(set(speakers)) == 6 and set(digits) == set("0123456789")
    assert open_source(shared_fsdd, split, seed=1).classes != source.classes
    assert min(record.n_images for record in source.classes) == Tasks(source="spoken_digits").smallest_class


def test_classes_are_told_apart_by_their_means(shared_fsdd: Path) -> None:
    """The first 25 takes of a speaker's digit are nearer to the mean of its other 25 than to those of other digits."""
    source = open_source(shared_fsdd)
    own = [index for index, record in enumerate(source.classes) if record.name.startswith("jackson/")]
    takes = np.stack([source.render(index) for index in own]).astype(float)
    means, tried = takes[:, 25:].mean(1), takes[:, :25]
    distances = np.square(tried[:, :, None] - means[None, None]).sum((3, 4, 5))
    assert (distances.argmin(2) == np.arange(10)[:, None]).mean() > 0.9


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zip of four recordings that passes for the official one."""
    with zipfile.ZipFile(tmp_path / "recordings.zip", "w") as archive:
        archive.writestr("dataset-1/recordings/", "")
        archive.writestr("dataset-1/README.md", "about them")
        for number, name in enumerate(("0_ann_0", "0_ann_1", "1_ann_0", "1_bob_0")):
            recording = io.BytesIO()
            tone = np.sin(np.arange(4000) * (0.1 + 0.1 * number))
            soundfile.write(recording, tone, 8000, format="WAV")
            archive.writestr(f"dataset-1/recordings/{name}.wav", recording.getvalue())
    monkeypatch.setattr(spoken_digits, "CONTENT_HASH", "")
    with pytest.raises(UserError) as refused:
        spoken_digits._verified_members(tmp_path / "recordings.zip")
    monkeypatch.setattr(spoken_digits, "CONTENT_HASH", str(refused.value).partition("hash ")[2].partition(")")[0])
    return tmp_path


def test_any_way_of_packing_will_do(tiny: Path) -> None:
    members = spoken_digits._verified_members(tiny / "recordings.zip")
    assert [(it["speaker"], it["digit"]) for it in members] == [("ann", "0"), ("ann", "0"), ("ann", "1"), ("bob", "1")]


def test_other_recordings_are_refused(tiny: Path) -> None:
    with zipfile.ZipFile(tiny / "recordings.zip", "a") as archive:
        archive.writestr("dataset-1/recordings/2_bob_0.wav", b"no sound")
    with pytest.raises(UserError, match=r"recordings\.zip does not hold the official recordings .*mirror"):
        open_source(tiny)


def test_a_broken_zip_and_a_mirror_without_it_are_named(tiny: Path, tmp_path: Path) -> None:
    whole = (tiny / "recordings.zip").read_bytes()
    (tiny / "recordings.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"recordings\.zip is not a whole zip file .*mirror"):
        open_source(tiny)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"tasks\.spoken_digits\.mirror: there is no file .*recordings\.zip"):
        open_source(tmp_path / "empty")
