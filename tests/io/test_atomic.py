"""Every output of the catalog, on a disk that is full half way."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from kedro.io import AbstractDataset, DatasetError
from PIL import Image

from metagan.parameters import EmbedderArchitecture
from metagan.training.saved import EmbedderHeader, SavedModel

CATALOG = yaml.safe_load((Path(__file__).parents[2] / "conf/base/catalog.yml").read_text(encoding="utf-8"))
ENTRIES = {name: entry.get("dataset", entry) for name, entry in CATALOG.items()}
OUTPUTS = {
    name: entry
    for name, entry in ENTRIES.items()
    if "filepath" in entry and entry["type"] not in ("metagan.io.FolderDataset", "metagan.io.TaskBankDataset")
}
HEADER = EmbedderHeader(architecture=EmbedderArchitecture(width=8, feature_size=8, shape=(1, 16, 16)))
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
SMALL_AND_LARGE: dict[str, tuple[Any, Any]] = {
    ".json": ({"fid": 1.0}, {"fid": NOISE.tolist()}),
    ".csv": (pd.DataFrame({"fid": [1.0]}), pd.DataFrame({"fid": NOISE.ravel()})),
    ".png": (Image.new("L", (8, 8)), Image.fromarray(NOISE)),
    ".gif": ([Image.new("L", (8, 8))], [Image.fromarray(NOISE)]),
    **dict.fromkeys((".html", ".md", ".txt"), ("<html>", "<html>" * 1000)),
    ".npz": ({"real": NOISE[:2, :2]}, {"real": NOISE}),
    ".pt": (SavedModel(HEADER, {}), SavedModel(HEADER, {"layer": torch.tensor(NOISE)})),
}


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """No file can become larger than this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_was_there_stays_whole_when_the_disk_is_full(name: str, tmp_path: Path) -> None:
    path = tmp_path / Path(OUTPUTS[name]["filepath"]).name
    small, large = SMALL_AND_LARGE[path.suffix]
    dataset = AbstractDataset.from_config(name, {**OUTPUTS[name], "filepath": str(path)})
    dataset.save(small)
    whole = path.read_bytes()
    with full_disk(bytes_left=1000), pytest.raises(DatasetError, match=path.name):
        dataset.save(large)
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]
    dataset.save(large)
    assert len(path.read_bytes()) > 1000


@pytest.mark.parametrize("name", OUTPUTS)
def test_nothing_is_there_when_the_first_save_fails(name: str, tmp_path: Path) -> None:
    path = tmp_path / Path(OUTPUTS[name]["filepath"]).name
    dataset = AbstractDataset.from_config(name, {**OUTPUTS[name], "filepath": str(path)})
    with full_disk(bytes_left=1000), pytest.raises(DatasetError):
        dataset.save(SMALL_AND_LARGE[path.suffix][1])
    assert not dataset.exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["generation", "class_table", "samples", "report"])
def test_what_is_saved_comes_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / Path(OUTPUTS[name]["filepath"]).name
    saved, _ = SMALL_AND_LARGE[path.suffix]
    dataset = AbstractDataset.from_config(name, {**OUTPUTS[name], "filepath": str(path)})
    dataset.save(saved)
    assert np.all(np.asarray(dataset.load()) == np.asarray(saved))
