from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from metagan.parameters import MetaTrain
from metagan.training.checkpoints import AtomicCheckpoints
from metagan.training.fitting import fingerprint, finish


def test_a_fingerprint_tells_trainings_apart(make_settings: Callable[..., MetaTrain]) -> None:
    first = fingerprint(make_settings(), 0, "hash")
    assert fingerprint(make_settings(), 0, "hash") == first
    others = {
        fingerprint(make_settings(inner={"r1": 0.1}), 0, "hash"),
        fingerprint(make_settings(), 1, "hash"),
        fingerprint(make_settings(), 0, "another"),
    }
    assert len(others | {first}) == 4


def test_finishing_twice_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    (tmp_path / "best.ckpt").touch()
    finish(tmp_path)
    finish(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]


def test_a_failed_write_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints, path = AtomicCheckpoints(), tmp_path / "last.ckpt"
    checkpoints.save_checkpoint({"step": 1}, path)

    def full_disk(value: object, file: Path) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        checkpoints.save_checkpoint({"step": 2}, path)
    assert checkpoints.load_checkpoint(path, weights_only=True) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
