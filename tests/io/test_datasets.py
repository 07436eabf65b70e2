from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DatasetError
from PIL import Image, ImageSequence

from metagan.errors import UserError
from metagan.io import (
    AnimationDataset,
    ArraysDataset,
    CSVDataset,
    FolderDataset,
    JSONDataset,
    TaskBankDataset,
    WeightsDataset,
)
from metagan.parameters import EmbedderArchitecture, Tasks
from metagan.tasks.bank import plan_bank
from metagan.training.saved import EmbedderHeader, SavedModel

ARCHITECTURE = EmbedderArchitecture(width=8, feature_size=8, shape=(1, 16, 16))
MODEL = SavedModel(EmbedderHeader(architecture=ARCHITECTURE), {"layer": torch.arange(6.0).reshape(2, 3)})


def test_weights_come_back(tmp_path: Path) -> None:
    dataset = WeightsDataset(str(tmp_path / "deeper" / "model.pt"))
    assert not dataset.exists()
    dataset.save(MODEL)
    loaded = dataset.load()
    assert loaded.header == MODEL.header
    assert loaded.state.keys() == MODEL.state.keys()
    assert torch.equal(loaded.state["layer"], MODEL.state["layer"])


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_truncated_weights_name_the_file(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "model.pt"
    WeightsDataset(str(path)).save(MODEL)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(DatasetError, match=r"model\.pt: damaged, or no checkpoint of metagan"):
        WeightsDataset(str(path)).load()


@pytest.mark.parametrize("content", [[1, 2], {"state": {}}, torch.zeros(2)])
def test_other_peoples_weights_are_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(DatasetError, match=r"model\.pt: no weights of metagan: train again"):
        WeightsDataset(str(path)).load()


def test_weights_never_run_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"kind": "gan", "state": Trap()}, tmp_path / "model.pt")
    with pytest.raises(DatasetError, match=r"model\.pt"):
        WeightsDataset(str(tmp_path / "model.pt")).load()
    assert not (tmp_path / "sprung").exists()


def test_a_failed_save_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    WeightsDataset(str(path)).save(MODEL)
    with pytest.raises(DatasetError):
        WeightsDataset(str(path)).save(SavedModel(MODEL.header, {"layer": (lambda: None)}))
    assert WeightsDataset(str(path)).load().state.keys() == MODEL.state.keys()
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_come_back(tmp_path: Path) -> None:
    arrays = {"support": np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "real": np.zeros((0, 1), np.uint8)}
    dataset = ArraysDataset(str(tmp_path / "pictures.npz"))
    dataset.save(arrays)
    loaded = dataset.load()
    assert loaded.keys() == arrays.keys()
    assert all(np.array_equal(loaded[name], arrays[name]) and loaded[name].dtype == np.uint8 for name in arrays)


def test_damaged_arrays_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pictures.npz"
    ArraysDataset(str(path)).save({"real": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DatasetError, match=r"pictures\.npz: damaged"):
        ArraysDataset(str(path)).load()


def test_arrays_never_hold_objects(tmp_path: Path) -> None:
    path = tmp_path / "pictures.npz"
    with pytest.raises(DatasetError):
        ArraysDataset(str(path)).save({"real": np.array([object()])})
    assert not list(tmp_path.iterdir())
    np.savez(path, real=np.array([{}]))
    with pytest.raises(DatasetError, match=r"pictures\.npz: damaged"):
        ArraysDataset(str(path)).load()


def test_an_array_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metagan.io.arrays.LARGEST", 1 << 20)
    path = tmp_path / "pictures.npz"
    ArraysDataset(str(path)).save({"real": np.zeros(3 << 20, np.uint8)})
    assert path.stat().st_size < 1 << 13
    with pytest.raises(DatasetError, match=r"pictures\.npz: .*3 MiB when unpacked"):
        ArraysDataset(str(path)).load()


def test_an_array_of_absurd_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pictures.npz"
    with ZipFile(path, "w") as file, file.open("real.npy", "w") as array:
        np.lib.format.write_array_header_1_0(array, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    with pytest.raises(DatasetError, match=r"pictures\.npz: damaged"):
        ArraysDataset(str(path)).load()


def test_a_folder_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = FolderDataset(str(tmp_path / "a" / "b")).load()
    assert folder == tmp_path / "a" / "b"
    assert folder.is_dir()
    with pytest.raises(DatasetError, match="not saved"):
        FolderDataset(str(folder)).save("anything")  # type: ignore[arg-type]


def test_a_plan_is_saved_as_a_memory_mapped_bank(tmp_path: Path) -> None:
    dataset = TaskBankDataset(str(tmp_path / "bank"))
    dataset.save(plan_bank(Tasks(source="digits", image_size=16, workers=1), 0, tmp_path))
    bank = dataset.load()
    assert isinstance(bank.images, np.memmap)
    assert bank.images.shape == (1797, 1, 16, 16)  # all of scikit-learn's digits
    assert len(bank.classes) == 10


def test_an_animation_keeps_its_frames_and_rests_on_the_last(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 10), (level, 0, 255 - level)) for level in (0, 100, 250)]
    dataset = AnimationDataset(str(tmp_path / "movie.gif"), milliseconds=50)
    dataset.save(frames)
    with dataset.load() as loaded:
        assert loaded.info["loop"] == 0
        shown = [(frame.info["duration"], frame.convert("RGB")) for frame in ImageSequence.Iterator(loaded)]
    assert [duration for duration, _ in shown] == [50, 50, 500]
    for (_, picture), frame in zip(shown, frames, strict=True):
        assert np.abs(np.asarray(picture).astype(int) - np.asarray(frame)).max() < 8
    with pytest.raises(DatasetError):
        dataset.save([frames[0], "no picture"])  # type: ignore[list-item]
    assert [file.name for file in tmp_path.iterdir()] == ["movie.gif"]


@pytest.mark.parametrize("name", ["generation.json", "history.csv"])
def test_a_file_that_was_cut_off_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    dataset = JSONDataset(filepath=str(path)) if path.suffix == ".json" else CSVDataset(filepath=str(path))
    saved = {"fid": [1.5, 2.5]} if path.suffix == ".json" else pd.DataFrame({"fid": [1.5, 2.5], "kid": [0.5, 1.5]})
    dataset.save(saved)
    whole = path.read_bytes()
    for length in range(len(whole.rstrip())):
        path.write_bytes(whole[:length])
        if whole[:length].endswith(b"\n"):
            continue  # a shorter table, and whole
        with pytest.raises(DatasetError, match=rf"{name}: damaged \(.*\); run the pipeline again") as caught:
            dataset.load()
        cause: BaseException | None = caught.value
        while not isinstance(cause, UserError):
            assert cause is not None
            cause = cause.__cause__
    path.write_bytes(b"\xff" + whole)
    with pytest.raises(DatasetError, match=rf"{name}: damaged"):
        dataset.load()
