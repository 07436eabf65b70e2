from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.domains import DOMAINS, stored_example
from metagan.domains.sound import RATE, spectrogram
from metagan.errors import UserError
from metagan.evaluation.speech import _dealt, _order, gaussian, inverted, jittered, who_said_what
from metagan.parameters import EvaluateSpeech
from metagan.tasks.bank import BankPlan, TaskBank
from metagan.tasks.sources.base import SPLITS, ClassRecord, Images, Source

SIZE, TAKES = 16, 24


def take(speaker: int, digit: int, number: int) -> Images:
    """Speakers differ in pitch, digits in how it goes on, takes in noise."""
    generator = np.random.default_rng((speaker, digit, number))
    times = np.arange(4000) / RATE
    pitch = 400 * 2**speaker * (1 + times * (0, 2, 4)[digit])
    sound = np.sin(2 * np.pi * np.cumsum(pitch) / RATE) + 0.03 * generator.normal(size=len(times))
    return spectrogram(sound.astype(np.float32), SIZE)


def takes(speaker: int, digit: int) -> Images:
    return np.stack([take(speaker, digit, number) for number in range(TAKES)])


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> TaskBank:
    """Two speakers of three digits, each digit a split."""
    named = [(speaker, digit) for speaker in range(2) for digit in range(3)]
    classes = tuple(ClassRecord(f"{'ab'[s]}/{d}", str(d), SPLITS[d], TAKES) for s, d in named)
    drawings = tuple(partial(takes, *name) for name in named)
    source = Source("made", "for tests", stored_example("speech", (1, SIZE, SIZE)), classes, drawings)
    return BankPlan(source, workers=1).write(tmp_path_factory.mktemp("bank") / "bank", progress=False)


def supports(k_shot: int = 5) -> Tensor:
    return torch.rand(2, k_shot, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4


def test_the_gaussian_has_the_mean_and_covariance_of_the_support() -> None:
    samples = gaussian(supports(), (5,), 40_000, 0)[:, 0].flatten(2).double()
    for made, given in zip(samples, supports().flatten(2).double(), strict=True):
        assert torch.allclose(made.mean(0), given.mean(0), atol=0.002)
        assert torch.allclose(made.T.cov(), given.T.cov(), atol=2e-4) and given.T.cov().abs().max() > 3e-3


def test_the_gaussian_of_one_recording_is_that_recording() -> None:
    one = supports(1)
    assert torch.equal(gaussian(one, (5,), 3, 0)[:, 0], one.repeat(1, 3, 1, 1, 1))


def test_jittered_samples_go_round_the_support_and_differ() -> None:
    given = torch.zeros(1, 3, 1, 32, 32)
    for number in range(3):
        given[0, number, 0, 8 * number + 4 : 8 * number + 8, 10:20] = 1
    samples = jittered(DOMAINS["speech"])(given, (1, 5), 6, 0)
    assert samples.shape == (1, 2, 6, 1, 32, 32) and torch.equal(samples[:, 0], samples[:, 1])
    nearest = (samples[0, 0][:, None] - given[0][None]).square().flatten(2).sum(2).argmin(1)
    assert nearest.tolist() == [0, 1, 2, 0, 1, 2] and not torch.equal(samples[0, 0, 0], samples[0, 0, 3])
    assert not torch.equal(samples, jittered(DOMAINS["speech"])(given, (1, 5), 6, 1))


def test_inversion_is_of_each_by_itself() -> None:
    shown = np.stack([take(0, 1, 0), take(1, 2, 0)])[None]
    found = inverted(shown, 0)
    assert found.shape == shown.shape and found.dtype == np.uint8 and not np.array_equal(found, shown)
    assert np.array_equal(inverted(shown[:, 1:], 0), found[:, 1:])
    errors = np.abs(found.astype(int) - shown).mean((2, 3, 4))
    across = np.abs(found.astype(int) - shown[:, ::-1]).mean((2, 3, 4))
    assert np.all(errors < across / 2)


def test_takes_that_train_classifiers_are_no_others(bank: TaskBank) -> None:
    for index in range(len(bank.classes)):
        training = _order(bank, index, 0)[TAKES // 2 :]
        for draw in range(3):
            task = _dealt(bank, index, 4, 8, 0, draw)
            shown = bank.domain.to_stored(torch.cat([task.support, task.query]))
            assert len(np.unique(shown, axis=0)) == 12
            assert not {one.tobytes() for one in bank.class_images(index)[training]} & {one.tobytes() for one in shown}


def test_who_said_what_is_recognised_in_copies_and_not_in_those_of_others(bank: TaskBank) -> None:
    def copies(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        return supports[:, torch.arange(n) % supports.shape[1]][:, None]

    def others(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        return copies(supports.flip(0), steps, n, seed)  # of the two test classes, which differ in their speaker

    settings = EvaluateSpeech(draws=1, samples=6, judge_steps=60)
    found = who_said_what(bank, {"adapted": copies, "others": others}, 5, 4, settings, 0)
    for kind in ("speaker", "digit"):
        assert found[kind].keys() == {"real", "inverted_real", "adapted", "others"}
        assert min(found[kind][arm] for arm in ("real", "inverted_real", "adapted")) > 0.9
    assert found["speaker"]["others"] < 0.1 < 0.9 < found["digit"]["others"]


def test_too_few_takes_are_told(bank: TaskBank) -> None:
    with pytest.raises(UserError, match=r"evaluate_speech\.samples: evaluate\.k_shot \+ samples = 8 \+ 5, but half of"):
        _dealt(bank, 0, 8, 5, 0, 0)
