from __future__ import annotations

import inspect
import resource
import tomllib
from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
import torch
from packaging.requirements import Requirement

from metagan import files
from metagan.parameters import MetaTrain, Trainer
from metagan.training.checkpoints import AtomicCheckpoints, newest_whole
from metagan.training.fitting import fingerprint, fit
from metagan.training.saved import weights_hash


def test_a_fingerprint_tells_trainings_apart(make_settings: Callable[..., MetaTrain]) -> None:
    first = fingerprint(make_settings(), 0, "hash")
    assert fingerprint(make_settings(), 0, "hash") == first
    others = {
        fingerprint(make_settings(inner={"r1": 0.1}), 0, "hash"),
        fingerprint(make_settings(), 1, "hash"),
        fingerprint(make_settings(), 0, "another"),
        fingerprint(make_settings(), 0, "hash", weights_hash({"layer": torch.zeros(2)})),
        fingerprint(make_settings(), 0, "hash", weights_hash({"layer": torch.tensor([0.0, 1e-9])})),
    }
    assert len(others | {first}) == 6


def test_a_full_disk_leaves_the_earlier_checkpoint_and_is_named(tmp_path: Path) -> None:
    checkpoints, path = AtomicCheckpoints(), tmp_path / "last.ckpt"
    checkpoints.save_checkpoint({"step": 1}, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # no file can become larger
    try:
        with pytest.raises(OSError, match=r"MiB free\), cannot write: '.*last\.ckpt'"):
            checkpoints.save_checkpoint({"step": 2, "weights": torch.zeros(1000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert checkpoints.load_checkpoint(path, weights_only=True) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        AtomicCheckpoints().save_checkpoint({"step": step}, tmp_path / "last.ckpt")
    kept = {path.name: torch.load(path, weights_only=True)["step"] for path in tmp_path.iterdir()}
    assert kept == {"last.ckpt": 3, "previous.ckpt": 2}


def test_a_stop_between_the_two_renames_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AtomicCheckpoints().save_checkpoint({"step": 1}, tmp_path / "last.ckpt")

    def stopped(descriptor: int) -> None:
        raise InterruptedError("stopped by the test")

    monkeypatch.setattr(files.os, "fsync", stopped)
    with pytest.raises(InterruptedError):
        AtomicCheckpoints().save_checkpoint({"step": 2}, tmp_path / "last.ckpt")
    assert not (tmp_path / "last.ckpt").exists()
    assert newest_whole(tmp_path) == tmp_path / "previous.ckpt"
    assert torch.load(tmp_path / "previous.ckpt", weights_only=True) == {"step": 1}


def test_a_cut_at_any_place_and_a_changed_weight_are_seen(tmp_path: Path) -> None:
    path, weights = tmp_path / "last.ckpt", torch.arange(3.0)
    AtomicCheckpoints().save_checkpoint({"weights": weights, "step": 1}, path)
    whole, part = path.read_bytes(), weights.numpy().tobytes()
    assert newest_whole(tmp_path) == path
    for length in range(0, len(whole), 20):
        path.write_bytes(whole[:length])
        assert newest_whole(tmp_path) is None
    path.write_bytes(whole.replace(part, part[::-1]))
    assert not torch.equal(torch.load(path, weights_only=True)["weights"], weights)  # torch does not notice
    assert newest_whole(tmp_path) is None


def test_a_checkpoint_never_runs_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"state_dict": Trap()}, tmp_path / "last.ckpt")
    assert newest_whole(tmp_path) is None
    assert not (tmp_path / "sprung").exists()


def test_no_lightning_without_a_safe_resume_is_allowed() -> None:
    """`Trainer.fit` of 2.5.6 does not know `weights_only`, that of 2.6.0 does."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (allowed,) = (found for found in map(Requirement, project["dependencies"]) if found.name == "lightning")
    assert "weights_only" in inspect.signature(L.Trainer.fit).parameters
    assert not allowed.specifier.contains("2.5.6")
    assert allowed.specifier.contains("2.6.0")


@pytest.mark.parametrize(
    ("asked", "has_gpu", "taken"),
    [("auto", True, "gpu"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("gpu", False, "gpu")],
)
def test_a_gpu_is_used_where_there_is_one(
    asked: str, has_gpu: bool, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without starting CUDA, after which no process could be forked."""
    monkeypatch.setattr("metagan.training.fitting.CUDAAccelerator.is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "init", lambda: pytest.fail("CUDA was started"))
    asked_for = {}

    class RefusedError(Exception):
        pass

    def trainer(**arguments: object) -> None:
        asked_for.update(arguments)
        raise RefusedError

    monkeypatch.setattr(L, "Trainer", trainer)
    with pytest.raises(RefusedError):
        fit(L.LightningModule(), tmp_path, None, Trainer(accelerator=asked))
    assert asked_for["accelerator"] == taken
