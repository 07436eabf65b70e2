from __future__ import annotations

import logging
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from metagan.domains.sound import RATE
from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.audio_files import LOWEST_RATE, SHORTEST, read_recordings, read_sound


def tone(rate: int, seconds: float, frequency: float = 500.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def frequency_of(sound: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 16))
    return float(spectrum.argmax()) * RATE / (1 << 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@given(
    rate=st.sampled_from([4000, 8000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000, 768_000])
    | st.integers(4000, 50_000),
    channels=st.integers(1, 4),
    seconds=st.floats(SHORTEST + 0.001, 1.5),
    subtype=st.sampled_from(["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"]),
)
@settings(max_examples=60, deadline=None)
def test_any_wav_is_read_at_its_length_and_pitch(
    folder: Path, rate: int, channels: int, seconds: float, subtype: str
) -> None:
    made = tone(rate, seconds)
    soundfile.write(folder / "any.wav", np.stack([made] * channels, 1), rate, subtype=subtype)
    sound = read_sound(folder / "any.wav")
    assert sound.dtype == np.float32 and sound.ndim == 1
    assert abs(len(sound) / RATE - seconds) < 0.025
    assert abs(frequency_of(sound) - 500) < 1 / seconds


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.wav"])
def test_three_formats_say_the_same(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, tone(16_000, 0.4), 16_000)
    assert frequency_of(read_sound(tmp_path / name)) == pytest.approx(500, abs=2)


def test_channels_are_averaged(tmp_path: Path) -> None:
    both = np.stack([tone(8000, 0.4), tone(8000, 0.4, 900)], 1)
    soundfile.write(tmp_path / "two.wav", both, 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "one.wav", both.mean(1), 8000, subtype="FLOAT")
    assert np.allclose(read_sound(tmp_path / "two.wav"), read_sound(tmp_path / "one.wav"), atol=1e-6)


def written(path: Path, samples: np.ndarray, rate: int = 8000) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.flac").write_bytes(b"")
    holes = tone(8000, 0.4)
    holes[100] = np.nan
    with wave.open(str(tmp_path / "slow.wav"), "wb") as slow:
        slow.setnchannels(1), slow.setsampwidth(2), slow.setframerate(1), slow.writeframes(b"\1\2" * 400)
    bad = {
        tmp_path / "text.wav": "Format not recognised",
        tmp_path / "empty.flac": "Format not recognised",
        tmp_path / "slow.wav": f"1 samples a second, but speech needs {LOWEST_RATE}",
        tmp_path / "absent.wav": "No such file",
        written(tmp_path / "holes.wav", holes): "numbers that are not finite",
        written(tmp_path / "silent.wav", np.zeros(4000)): "silent",
        written(tmp_path / "offset.wav", np.full(4000, 0.3)): "silent",
        written(tmp_path / "one.wav", np.ones(1)): "lasts 0 ms, but 50 are needed",
        written(tmp_path / "none.wav", np.ones(0)): "lasts 0 ms, but 50 are needed",
        written(tmp_path / "short.wav", tone(8000, 0.049)): "lasts 49 ms, but 50 are needed",
    }
    for file, reason in bad.items():
        with pytest.raises(UserError) as refused:
            read_sound(file)
        said = str(refused.value)
        assert "\n" not in said and said.startswith(f"{file} cannot be read as a recording: ") and reason in said, said


def test_a_long_recording_is_cut_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long = np.concatenate([tone(8000, 9.9), tone(8000, 5, 2000)])
    file = written(tmp_path / "long.wav", long)
    with caplog.at_level(logging.WARNING):
        sound = read_sound(file)
        (again,) = read_recordings([file], 32)
    assert len(sound) == 10 * RATE and frequency_of(sound) == pytest.approx(500, abs=2)
    assert "only the first 10 of its 14.9 seconds" in caplog.text
    assert "1 of 1 recordings are longer than the 0.74 seconds of a spectrogram" in caplog.text
    assert np.array_equal(again, sound)


def test_a_folder_of_class_folders_is_a_source(tmp_path: Path) -> None:
    for index in range(10):
        (tmp_path / f"word {index}").mkdir()
        for number, suffix in enumerate(("wav", "flac", "ogg")):
            made = tone(16_000, 0.3, 300 + 100 * index)
            soundfile.write(tmp_path / f"word {index}" / f"{number}.{suffix}", made, 16_000)
    tasks = Tasks(source="audio_folder", image_size=32, audio_folder={"path": tmp_path})
    source = SOURCES["audio_folder"](tasks, 0, Path("unused"))
    assert Counter(record.split for record in source.classes) == {"train": 7, "val": 1, "test": 2}
    assert {record.n_images for record in source.classes} == {3} and source.example.domain == "speech"
    bands = [source.render(index).max(3).argmax(2).ravel() for index in range(10)]
    assert all(len(set(own.tolist())) == 1 for own in bands)
    assert np.all(np.diff([own[0] for own in bands]) >= 0) and bands[9][0] > bands[0][0] + 5


def test_a_class_of_one_recording_is_refused(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        written(tmp_path / name / "1.wav", tone(8000, 0.3))
    tasks = Tasks(source="audio_folder", image_size=32, audio_folder={"path": tmp_path})
    with pytest.raises(UserError, match=r"tasks\.audio_folder\.path: class folder .*a holds 1 WAV, FLAC or OGG files"):
        SOURCES["audio_folder"](tasks, 0, Path("unused"))
