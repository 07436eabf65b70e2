"""What invented classes are worth to few-shot classifiers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from torch import nn

from metagan.errors import UserError
from metagan.invention import usefulness
from metagan.invention.inventors import Studio
from metagan.invention.inventors.base import open_studio
from metagan.invention.usefulness import ARMS, mixed_classes, single_image_classes, useful
from metagan.parameters import Invent
from metagan.tasks.bank import ClassIndices, TaskBank

NETWORK = {"width": 8, "feature_size": 8, "episodes": 4, "n_way": 2, "n_query": 2, "stream": ()}


def test_every_arm_is_measured_beside_k_real_classes(
    studio: Studio, embed: nn.Module, make_settings: Callable[..., Invent], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(
        useful={"real_classes": [4, 6], "seeds": [0, 1], "network": NETWORK, "n_way": 3, "episodes": 5}
    )
    opened: list[ClassIndices] = []
    trained: list[TaskBank] = []

    def studio_of(classes: ClassIndices, seed: int) -> Studio:
        opened.append(classes)
        return open_studio(studio.bank, studio.gan, studio.joint, embed, settings, seed, classes)

    training = usefulness.train_embedder
    monkeypatch.setattr(
        usefulness, "train_embedder", lambda bank, *rest, **more: trained.append(bank) or training(bank, *rest, **more)
    )
    table = useful(studio.bank, studio_of, embed, settings, progress=False)
    assert [len(classes) for classes in opened] == [4, 4, 6, 6]
    assert not np.array_equal(opened[0], opened[1])
    for row in table["real_classes"].values():
        assert row["invented_classes"] == [10, 10]
        for shots in ("1_shot", "5_shot"):
            assert list(row[shots]) == list(ARMS)
            for found in row[shots].values():
                differences = np.subtract(found["values"], row[shots]["real"]["values"])
                assert found["mean"] == pytest.approx(np.mean(found["values"]))
                assert found["gain"]["mean"] == pytest.approx(differences.mean())
                beside = np.subtract(found["values"], row[shots]["jitter"]["values"])
                assert found["beside_jitter"]["mean"] == pytest.approx(beside.mean())
    sizes = [len(bank.splits["train"]) for bank in trained[: len(ARMS)]]
    assert sizes == [4, 4, 4, 4, *[14] * 8, 10, 30]
    test = [studio.bank.classes[index].name for index in studio.bank.splits["test"]]
    for bank in trained:
        assert [bank.classes[index].name for index in bank.splits["test"]] == test


def test_mixed_images_are_means_of_two_classes(bank: TaskBank) -> None:
    (mixed,) = mixed_classes(bank, np.array([3, 4]), 1, np.random.default_rng(0))
    images = [bank.class_images(index).astype(float) for index in (3, 4)]
    means = (images[0][:, None] + images[1]) / 2
    for image in mixed:
        assert np.abs(means - image).max((2, 3, 4)).min() <= 0.5


def test_a_class_of_a_single_image_varies_as_jitter_does(bank: TaskBank) -> None:
    classes = [*single_image_classes(bank, np.array([3, 4]), 3, np.random.default_rng(0))]
    for own in classes:
        assert own.shape == bank.class_images(3).shape and own.dtype == np.uint8
        assert len({image.tobytes() for image in own}) == len(own)
        ink = own.mean((1, 2, 3))
        assert ink.std() / ink.mean() < 0.3


def test_more_real_classes_than_there_are_are_refused(
    studio: Studio, embed: nn.Module, make_settings: Callable[..., Invent]
) -> None:
    settings = make_settings(useful={"real_classes": [4, 31]})
    with pytest.raises(UserError, match=r"invent\.useful.real_classes: 31, but drawings has only 30 train classes"):
        useful(studio.bank, lambda classes, seed: studio, embed, settings, progress=False)


def test_fewer_parents_than_a_draft_has_are_refused(studio: Studio) -> None:
    with pytest.raises(UserError, match="a draft of 13 parents is asked for, but there are only 12"):
        studio.chosen(13, np.random.default_rng(0))
