from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES, omniglot
from metagan.tasks.sources.base import Source

from .test_download import serving

PARTS = ("images_background", "images_evaluation")


def open_source(
    mirror: Path | str, folder: Path, split: str = "alphabets", seed: int = 0, image_size: int = 28
) -> Source:
    settings = {"mirror": str(mirror), "split": split}
    return SOURCES["omniglot"](Tasks(source="omniglot", image_size=image_size, omniglot=settings), seed, folder)


def png(generator: np.random.Generator) -> bytes:
    file = io.BytesIO()
    Image.fromarray(generator.random((105, 105)) > 0.05).save(file, "PNG")
    return file.getvalue()


def pack(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def content_hash(entries: dict[str, bytes]) -> str:
    lines = (f"{name}\0{hashlib.sha256(content).hexdigest()}\n" for name, content in sorted(entries.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


Entries = dict[str, dict[str, bytes]]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Entries]:
    """A mirror of 4 + 1 alphabets, 3 characters by 2 drawers each, that passes for the official one."""
    generator = np.random.default_rng(0)
    parts: Entries = {
        part: {
            f"{part}/{alphabet}/character{character:02d}/{number:04d}_{drawer:02d}.png": png(generator)
            for alphabet in alphabets
            for number, character in enumerate((1, 2, 3))
            for drawer in (1, 2)
        }
        for part, alphabets in zip(PARTS, (("Greek", "Korean", "Latin", "Tagalog"), ("Tibetan",)), strict=True)
    }
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for part, entries in parts.items():
        pack(mirror / f"{part}.zip", entries)
    monkeypatch.setattr(omniglot, "CONTENT_HASHES", {part: content_hash(entries) for part, entries in parts.items()})
    monkeypatch.setattr(omniglot, "VAL_CLASSES", 4)
    return mirror, parts


def test_alphabets_stay_whole(tiny: tuple[Path, Entries], tmp_path: Path) -> None:
    source = open_source(tiny[0], tmp_path)
    splits = defaultdict(set)
    for record in source.classes:
        splits[record.group].add(record.split)
        assert record.n_images == 2 and record.name.startswith(f"{record.group}/character0")
    assert splits.pop("Tibetan") == {"test"}
    assert sorted(map(list, splits.values())) == [["train"], ["train"], ["val"], ["val"]]
    assert len({open_source(tiny[0], tmp_path, seed=seed).classes for seed in range(10)}) > 2


def test_drawings_are_bright_on_dark_and_in_order(tiny: tuple[Path, Entries], tmp_path: Path) -> None:
    mirror, parts = tiny
    source = open_source(mirror, tmp_path, image_size=36)
    index = [record.name for record in source.classes].index("Korean/character02")
    images = source.render(index)
    assert images.shape == (2, 1, 36, 36) and images.dtype == np.uint8 and images.max() == 255
    for drawer, image in enumerate(images, start=1):
        original = Image.open(io.BytesIO(parts[PARTS[0]][f"{PARTS[0]}/Korean/character02/0001_{drawer:02d}.png"]))
        ink = ~np.asarray(original.resize((105, 105)))
        assert (
            np.corrcoef(np.asarray(Image.fromarray(ink).convert("L").resize((36, 36), 4)).ravel(), image.ravel())[0, 1]
            > 0.95
        )


@pytest.mark.parametrize("as_url", [Path.as_uri, lambda mirror: f"{mirror}/"])
def test_a_mirror_may_be_a_url(tiny: tuple[Path, Entries], tmp_path: Path, as_url: Callable[[Path], str]) -> None:
    spaced = tmp_path / "my mirror"
    shutil.copytree(tiny[0], spaced)
    assert open_source(as_url(spaced), tmp_path).classes == open_source(tiny[0], tmp_path).classes


def test_a_download_is_kept_and_verified(tiny: tuple[Path, Entries], tmp_path: Path) -> None:
    mirror, _ = tiny
    raw = tmp_path / "raw"
    for part in PARTS:
        (raw / "omniglot").mkdir(parents=True, exist_ok=True)
        content = (mirror / f"{part}.zip").read_bytes()
        with serving(content=content) as (url, asked):
            path = omniglot._zip(url.rpartition("/")[0], part, raw / "omniglot")
            assert path.read_bytes() == content and asked == [None]
    assert open_source("http://127.0.0.1:9", raw).classes == open_source(mirror, tmp_path).classes  # asks no server


def test_a_failed_download_names_the_mirror_parameter(tmp_path: Path) -> None:
    with (
        serving(statuses=(404,)) as (url, _),
        pytest.raises(UserError, match=r"404.*tasks\.omniglot\.mirror can name a folder that holds images_back"),
    ):
        open_source(url.rpartition("/")[0], tmp_path)


def test_a_mirror_without_the_zips_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tasks\.omniglot\.mirror: there is no file .*images_background\.zip"):
        open_source(tmp_path, tmp_path)


def truncated(path: Path, entries: dict[str, bytes]) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def corrupt(path: Path, entries: dict[str, bytes]) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(bytes(content))


def other_drawing(path: Path, entries: dict[str, bytes]) -> None:
    pack(path, {**entries, next(iter(entries)): png(np.random.default_rng(1))})


def missing_drawing(path: Path, entries: dict[str, bytes]) -> None:
    pack(path, dict(list(entries.items())[1:]))


def climbing_name(path: Path, entries: dict[str, bytes]) -> None:
    pack(path, {**entries, "images_background/../../escaped.png": b"x"})


def absolute_name(path: Path, entries: dict[str, bytes]) -> None:
    pack(path, {**entries, "/escaped.png": b"x"})


def large_entry(path: Path, entries: dict[str, bytes]) -> None:
    pack(path, {**entries, "images_background/Greek/character01/0000_21.png": bytes(2 << 20)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "is not a whole zip file"),
        (corrupt, "is not a whole zip file"),
        (other_drawing, "does not hold the official drawings"),
        (missing_drawing, "does not hold the official drawings"),
        (climbing_name, "a name outside of its folder"),
        (absolute_name, "a name outside of its folder"),
        (large_entry, "of 2097152 bytes, no drawing"),
    ],
)
def test_a_bad_zip_is_named(
    tiny: tuple[Path, Entries], tmp_path: Path, damage: Callable[[Path, dict[str, bytes]], None], message: str
) -> None:
    mirror, parts = tiny
    damage(mirror / "images_background.zip", parts["images_background"])
    with pytest.raises(ValueError, match=rf"images_background\.zip .*{message}.*tasks\.omniglot\.mirror") as caught:
        open_source(mirror, tmp_path)
    assert "\n" not in str(caught.value)


def test_real_omniglot_by_alphabets(shared_omniglot: Path, tmp_path: Path) -> None:
    source = open_source(shared_omniglot, tmp_path)
    sizes = Counter(record.split for record in source.classes)
    assert sum(sizes.values()) == 1623 and sizes["test"] == 659 and sizes["val"] >= 100
    assert {record.n_images for record in source.classes} == {20}
    groups = defaultdict(set)
    for record in source.classes:
        groups[record.split].add(record.group)
    assert len(groups["test"]) == 20 and len(groups["train"] | groups["val"]) == 30
    assert not groups["train"] & groups["val"]
    images = np.concatenate([source.render(index) for index in range(0, 1623, 50)]).astype(float)
    ink = images[images > 64]
    assert 0.03 < (images > 127).mean() < 0.25 and ink.mean() > 170 and (images.max(axis=(1, 2, 3)) == 255).all()


def test_real_omniglot_by_vinyals(shared_omniglot: Path, tmp_path: Path) -> None:
    source = open_source(shared_omniglot, tmp_path, split="vinyals")
    expected = defaultdict(set)
    for split in ("train", "val", "test"):
        published = shared_omniglot / "splits" / "vinyals" / f"{split}.txt"
        expected[split] = set(published.read_text().split())
    drawn = defaultdict(set)
    for record in source.classes:
        drawn[record.split].add(record.name)
    assert drawn == expected
    upright, *turned = (source.render(index) for index in range(4))
    for turns, images in enumerate(turned, start=1):
        assert np.array_equal(images, np.rot90(upright, turns, (2, 3)))


def test_real_omniglot_by_first_characters(shared_omniglot: Path, tmp_path: Path) -> None:
    source = open_source(shared_omniglot, tmp_path, split="first_characters")
    assert Counter(record.split for record in source.classes) == {"train": 1373, "val": 100, "test": 150}
    tested = {record.name for record in source.classes if record.split == "test"}
    alphabets = {record.group for record in source.classes}
    assert tested == {f"{alphabet}/character0{number}" for alphabet in alphabets for number in (1, 2, 3)}
