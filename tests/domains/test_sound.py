"""Spectrograms against the formula, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from hypothesis import given, settings
from hypothesis import strategies as st

from metagan.domains.sound import (
    DECIBELS,
    PEAK,
    RATE,
    Sound,
    at_rate,
    audible,
    centred,
    hop,
    length,
    sound_of,
    spectrogram,
    window,
)
from metagan.errors import UserError


def chirp(seconds: float = 0.5, low: float = 300.0, high: float = 1500.0) -> Sound:
    """A tone that rises from one frequency to another, and is loudest in the middle."""
    times = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * (low * times + (high - low) * times**2 / (2 * seconds))
    return (0.5 * np.sin(phase) * np.hanning(len(times))).astype(np.float32)


def mel(frequency: np.ndarray) -> np.ndarray:
    """The scale of Slaney's Auditory Toolbox (1998): linear up to 1000 Hz, logarithmic above."""
    return np.where(
        frequency < 1000, 3 * frequency / 200, 15 + 27 * np.log(np.maximum(frequency, 1) / 1000) / np.log(6.4)
    )


@pytest.mark.parametrize("size", [16, 32, 64])
def test_a_spectrogram_is_what_the_formula_says(size: int) -> None:
    sound, step, seen = centred(chirp(), length(size)), hop(size), window(size)
    padded = np.pad(sound.astype(np.float64), seen // 2)
    frames = np.stack([padded[start : start + seen] for start in range(0, step * size, step)])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(seen) / seen)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    bins = np.arange(seen // 2 + 1) * RATE / seen
    scale = np.linspace(0, RATE / 2, 200_001)
    edges = np.interp(np.linspace(0, mel(np.array([RATE / 2.0]))[0], size + 2), mel(scale), scale)
    filters = [
        np.clip(np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)), 0, None) * 2 / (high - low)
        for low, mid, high in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    energy = np.stack(filters) @ power.T
    decibels = 10 * np.log10(np.maximum(energy / energy.max(), 1e-12))
    expected = np.clip(decibels / DECIBELS + 1, 0, 1) * 255
    assert np.abs(spectrogram(chirp(), size)[0] - expected).max() <= 1


def test_a_higher_tone_stands_in_a_higher_band_and_a_later_one_further_right() -> None:
    rising = spectrogram(chirp(), 64)[0]
    loudest = rising[:, 16:48].argmax(0)
    assert np.all(np.diff(loudest) >= 0) and loudest[-1] > loudest[0] + 10
    late = np.concatenate([np.zeros(1000, np.float32), chirp(0.2)])
    assert spectrogram(late, 64)[0].max(0).argmax() > spectrogram(chirp(0.2), 64)[0].max(0).argmax()


def test_the_level_of_a_recording_is_no_part_of_its_spectrogram() -> None:
    assert np.array_equal(spectrogram(chirp(), 32), spectrogram(chirp() / 8, 32))


@pytest.mark.parametrize("size", [32, 64])
def test_the_way_back_leads_to_the_spectrogram(size: int) -> None:
    """Within three decibels, on average, where it is loud."""
    shown = spectrogram(chirp(), size)
    back = sound_of(shown, 0)
    assert back.shape == (length(size),) and back.dtype == np.float32 and np.abs(back).max() == pytest.approx(PEAK)
    loud = shown >= 128
    errors = np.abs(spectrogram(back, size).astype(int) - shown)[loud] * DECIBELS / 255
    assert loud.mean() > 0.03 and errors.mean() < 3


def test_nothing_sounds_like_nothing() -> None:
    assert not sound_of(np.zeros((1, 32, 32), np.uint8), 0).any()


def test_the_way_back_is_the_same_in_another_process(tmp_path: Path) -> None:
    code = (
        "import hashlib, numpy as np; from metagan.domains.sound import sound_of;"
        "shown = np.random.default_rng(0).integers(0, 256, (1, 32, 32), np.uint8);"
        "found = [hashlib.sha256(sound_of(shown, seed).tobytes()).hexdigest() for seed in (3, 4, 3)]"
    )
    here: dict[str, Any] = {}
    exec(code, here)
    assert here["found"] == warm.python(f"{code}; print(*found)", tmp_path).split()
    assert here["found"][0] == here["found"][2] != here["found"][1]


@given(st.integers(1, 20_000), st.integers(1, 20_000))
@settings(max_examples=50, deadline=None)
def test_the_middle_is_kept(n: int, samples: int) -> None:
    sound = np.arange(1, n + 1, dtype=np.float32)
    found = centred(sound, samples)
    assert len(found) == samples
    kept = found[found > 0]
    assert np.array_equal(kept, np.arange(kept[0], kept[-1] + 1)) and len(kept) == min(n, samples)
    before, after = ((found > 0).argmax(), (found[::-1] > 0).argmax()) if samples > n else (kept[0] - 1, n - kept[-1])
    assert abs(before - after) <= 1


def test_silence_around_a_word_is_cut_off() -> None:
    silence = np.zeros(RATE, np.float32)
    word = audible(np.concatenate([silence, chirp(0.4), silence]))
    assert 0.3 * RATE < len(word) <= 0.42 * RATE
    with pytest.raises(UserError, match="silent"):
        audible(silence)


@pytest.mark.parametrize("rate", [4000, 8000, 11_025, 44_100, 768_000])
def test_the_rate_of_a_recording_changes_no_pitch(rate: int) -> None:
    times = np.arange(rate // 2) / rate
    sound = at_rate(np.sin(2 * np.pi * 700 * times).astype(np.float32), rate)
    assert abs(len(sound) - RATE / 2) <= 2
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(spectrum.argmax() * RATE / len(sound) - 700) < 5
