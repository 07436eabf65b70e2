from __future__ import annotations

import base64
import io
import wave

import numpy as np
import pytest
import torch

from metagan.domains import DOMAINS
from metagan.domains.sound import RATE, spectrogram
from metagan.domains.speech import moved
from metagan.errors import UserError

SPEECH = DOMAINS["speech"]


def blob() -> torch.Tensor:
    """Loud in bands 8 to 11, which are low, and frames 12 to 19."""
    example = torch.zeros(1, 1, 32, 32)
    example[..., 8:12, 12:20] = 0.5
    return example


def centre(example: torch.Tensor) -> tuple[float, float]:
    """The mean band and frame."""
    places = torch.arange(32.0)
    level = example[0, 0]
    return ((level.sum(1) @ places) / level.sum()).item(), ((level.sum(0) @ places) / level.sum()).item()


def test_a_change_of_nothing_changes_nothing() -> None:
    assert torch.allclose(moved(blob(), torch.zeros(1, 4)), blob(), atol=1e-6)


@pytest.mark.parametrize(("change", "bands", "frames"), [((0.25, 0, 0, 0), 4, 0), ((0, 0.25, 0, 0), 0, 4)])
def test_pitch_and_time_shift(change: tuple[float, ...], bands: int, frames: int) -> None:
    before, after = centre(blob()), centre(moved(blob(), torch.tensor([change])))
    assert (after[0] - before[0], after[1] - before[1]) == pytest.approx((bands, frames), abs=1e-3)


def test_speed_shortens_and_level_raises() -> None:
    faster = moved(blob(), torch.tensor([[0, 0, np.log(2.0), 0]]).float())
    assert faster.sum().item() == pytest.approx(blob().sum().item() / 2, rel=0.01)
    assert moved(blob(), torch.tensor([[0, 0, 0, 0.1]])).max().item() == pytest.approx(0.55)
    assert moved(2 * blob(), torch.tensor([[0, 0, 0, 0.1]])).max().item() == 1


def test_the_picture_has_high_bands_above_and_loud_places_dark() -> None:
    picture = np.asarray(SPEECH.picture(SPEECH.to_stored(2 * blob()), False, 1))
    dark = np.argwhere(picture == 0)
    assert dark.min(0).tolist() == [20, 12] and dark.max(0).tolist() == [23, 19]


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 64), (1, 30, 30), (32, 32)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="shape"):
        SPEECH.check(shape)


def test_every_word_has_one_class() -> None:
    assert SPEECH.turns == 1


def test_a_sound_leaves_as_a_wav_file_of_its_spectrogram() -> None:
    times = np.arange(RATE // 2) / RATE
    low, high = (spectrogram(np.sin(pitch * times * (1 + times)).astype(np.float32), 32) for pitch in (2500.0, 6000.0))
    form = SPEECH.form
    assert form is not None and form.media == "audio/wav;rate=8000" and not form.is_text
    with wave.open(io.BytesIO(base64.b64decode(form.write(low, 0)))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        heard = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 2**15
    seen = spectrogram(heard, 32).astype(float)
    loud = low > 200
    assert np.abs(seen - low)[loud].mean() < 13 < 50 < np.abs(seen - high)[loud].mean()  # 13 are three decibels
