from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from metagan.domains.sound import RATE
from metagan.io import RecordingDataset


def test_a_sound_comes_back(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, RATE // 2).astype(np.float32)
    dataset = RecordingDataset(str(tmp_path / "new folder/sound.wav"))
    assert not dataset.exists()
    dataset.save(sound)
    assert dataset.exists() and np.abs(dataset.load() - sound + sound.mean()).max() < 1e-4
    assert [file.name for file in (tmp_path / "new folder").iterdir()] == ["sound.wav"]


def test_damage_is_named(tmp_path: Path) -> None:
    (tmp_path / "sound.wav").write_text("noise")
    with pytest.raises(DatasetError, match=r"sound\.wav cannot be read as a recording"):
        RecordingDataset(str(tmp_path / "sound.wav")).load()
