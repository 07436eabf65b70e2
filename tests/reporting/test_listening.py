from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import soundfile

from metagan.domains.sound import RATE, spectrogram, wav
from metagan.reporting.listening import COLUMNS, Heard, listening_page, sound_check


def tone(frequency: float = 400, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(RATE // 2) / RATE)).astype(np.float32)


def test_the_page_plays_what_it_shows_and_asks_nobody() -> None:
    rows = {f"<{name}>": {arm: [Heard(tone(), spectrogram(tone(), 16))] for arm in COLUMNS} for name in ("one", "two")}
    page = listening_page(rows, {arm: sound_check([tone()]) for arm in COLUMNS})
    audio = re.findall(r'<audio controls src="data:audio/wav;base64,([^"]*)"', page)
    assert len(audio) == page.count("<img ") == 2 * len(COLUMNS)
    played, rate = soundfile.read(io.BytesIO(base64.b64decode(audio[0])))
    assert rate == RATE and np.abs(played - tone()).max() < 1e-4
    assert "&lt;one&gt;" in page and "<one>" not in page and not re.search("(src|href)=.(?!data:)", page)


def test_what_sounds_are_like() -> None:
    found = sound_check([tone(), np.zeros(100, np.float32)])
    assert found["seconds"] == pytest.approx(0.5) and found["level"] == pytest.approx(
        20 * np.log10(0.5 / 2**0.5), abs=0.01
    )
    assert (found["clipped"], found["silent"]) == (0, 0.5)
    assert sound_check([tone(level=1.2)])["clipped"] == 1


def test_a_wav_file_has_16_bits() -> None:
    assert soundfile.info(io.BytesIO(wav(tone()))).subtype == "PCM_16"
