"""Classifiers that get new classes from round to round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metagan.errors import UserError
from metagan.invention import rounds
from metagan.invention.checks import Checks
from metagan.invention.inventing import Inventions
from metagan.invention.inventors import Studio
from metagan.invention.inventors.base import open_studio
from metagan.invention.rounds import ARMS, in_rounds, weakest
from metagan.parameters import Invent
from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.training.embedder import EmbedderTraining

NETWORK = {"width": 8, "feature_size": 8, "episodes": 6, "n_way": 2, "n_query": 2, "stream": ()}
USEFUL = {"seeds": [0, 1], "network": NETWORK, "n_way": 3, "episodes": 5}


@pytest.fixture
def small(make_settings: Callable[..., Invent]) -> Invent:
    return make_settings(in_rounds={"real_classes": [8], "rounds": 3, "weak": 0.5}, useful=USEFUL)


def test_each_arm_gets_as_many_new_classes_in_as_many_episodes(
    studio: Studio, embed: nn.Module, small: Invent, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[ClassIndices] = []
    invented: list[tuple[Studio, int]] = []
    passed: list[int] = []
    trained: list[tuple[int, int]] = []
    inventing, training = rounds.invent, EmbedderTraining.go_on

    def studio_of(classes: ClassIndices, seed: int) -> Studio:
        opened.append(classes)
        return open_studio(studio.bank, studio.gan, studio.joint, embed, small, seed, classes)

    def watched(own: Studio, checks: Checks, settings: Invent, *rest: object, **more: object) -> Inventions:
        assert list(checks.classes) == list(opened[-1 if len(opened[-1]) == 8 else 5 * (len(invented) // 5)])
        invented.append((own, settings.classes))
        passed.append(len(checks.passed))
        return inventing(own, checks, settings, *rest, **more)

    def go_on(self: EmbedderTraining, stream: object, episodes: int) -> None:
        trained.append((len(stream.bank.splits["train"]), episodes))
        training(self, stream, episodes)

    monkeypatch.setattr(rounds, "invent", watched)
    monkeypatch.setattr(EmbedderTraining, "go_on", go_on)
    table = in_rounds(studio.bank, studio_of, embed, small, progress=False)
    of_seed = {"jitter": [8] * 3, "at_once": [18] * 3, "anywhere": [8, 13, 18], "where_weak": [8, 13, 18]}
    assert trained == [(size, 2) for _ in range(2) for sizes in of_seed.values() for size in sizes]
    assert [count for _, count in invented] == [10, 5, 5, 5, 5] * 2
    assert passed == [0, 0, 5, 0, 5] * 2
    assert [len(classes) for classes in opened] == [8, 8, 8, 4, 4] * 2
    assert all(set(own.parents) <= set(opened[0]) for own, _ in invented[:5])
    assert [own.classifier is embed for own, _ in invented[:5]] == [True, False, False, False, False]
    (row,) = table["real_classes"].values()
    assert list(row) == list(ARMS)
    assert [found["invented_classes"] for found in row.values()] == [[0, 0], [10, 10], [10, 10], [10, 10]]
    for found in row.values():
        values = np.array(found["values"])
        right = values * 15 / 100  # of 5 episodes of 3 queries
        assert values.shape == (2, 3) and np.allclose(right, right.round()) and values.max() > 1
        assert [look["mean"] for look in found["curve"]] == pytest.approx(values.mean(0))
        gain = values[:, -1] - np.array(row["jitter"]["values"])[:, -1]
        assert found["gain"]["mean"] == pytest.approx(gain.mean())


def test_jitter_alone_is_one_training_in_parts(studio: Studio, embed: nn.Module, small: Invent) -> None:
    checks = Checks(studio.bank, studio.bank.splits["train"][:8], embed, small, 0)
    lessons = rounds.Lessons(studio.bank, studio.bank.splits["train"][:8], lambda *_: studio, checks, small, 0)
    whole = EmbedderTraining(studio.bank.example, small.useful.network, 0)
    parts = EmbedderTraining(studio.bank.example, small.useful.network, 0)
    whole.go_on(lessons._stream([]), 6)
    for _ in range(3):
        parts.go_on(lessons._stream([]), 2)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, parts.network.state_dict()[name])


class OnlyTells(nn.Module):
    """Brightness as the one feature: it tells images of classes that differ in it, and no others."""

    def forward(self, images: Tensor) -> Tensor:
        return 100 * images.flatten(1).mean(1, keepdim=True)


def test_the_weakest_classes_are_those_that_are_taken_for_each_other(bank: TaskBank) -> None:
    levels = (0, 60, 62, 120, 180, 182, 240)
    images = np.concatenate([np.full((4, 1, 16, 16), level, np.uint8) for level in levels])
    grey = TaskBank(images, np.arange(8) * 4, bank.classes[:7], "grey", bank.example, content_hash="grey")
    found = weakest(OnlyTells(), grey, np.arange(7), 4 / 7, 0)
    assert sorted(found.tolist()) == [1, 2, 4, 5]
    assert len(weakest(OnlyTells(), grey, np.arange(7), 0.0, 0)) == 3


def test_what_cannot_be_is_refused(studio: Studio, embed: nn.Module, make_settings: Callable[..., Invent]) -> None:
    settings = make_settings(in_rounds={"real_classes": [4, 31]}, useful=USEFUL)
    with pytest.raises(UserError, match=r"invent\.in_rounds\.real_classes: 31, but drawings has only 30 train classes"):
        in_rounds(studio.bank, lambda classes, seed: studio, embed, settings, progress=False)
    with pytest.raises(ValueError, match=r"in_rounds\.rounds: 7, but useful.network.episodes has only 6"):
        make_settings(in_rounds={"rounds": 7}, useful=USEFUL)
    with pytest.raises(ValueError, match=r"classes: 10, but 6 rounds \(in_rounds.rounds\) invent 2 at least"):
        make_settings(in_rounds={"rounds": 7})
