"""Who writes words, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from metagan.domains import stored_example
from metagan.domains.spelling import encoded
from metagan.errors import UserError
from metagan.evaluation.n_grams import Mixture, surprise
from metagan.parameters import InnerLoop, MetaTrain, Networks, OuterObjective, TextSettings
from metagan.tasks.bank import BankPlan, TaskBank
from metagan.tasks.sources.base import SPLITS, ClassRecord, Source
from metagan.training.gan import architecture_of, build_critic, build_learner, initial_gan
from metagan.training.word_arms import (
    all_languages,
    best_share,
    model_writer,
    n_gram_writer,
    support_models,
    word_tasks,
)

SETTINGS = TextSettings(n_tasks=2, k_shot=4, samples=6, step=1, order=3)
TRAINING = MetaTrain(
    networks=Networks(generator_width=8, discriminator_width=8, noise_size=16, encoder=True),
    inner=InnerLoop(steps=1, adapt_parameters="memory|code|bias|head"),
)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> TaskBank:
    """Two classes of each split, each of 24 words of two letters of its own."""
    random = np.random.default_rng(0)
    classes, drawings = [], []
    for number in range(6):
        letters = list("abcdefghijkl"[2 * number : 2 * number + 2])
        words = {"".join(random.choice(letters, 8)) for _ in range(40)}
        own = sorted(words)[:24]
        classes.append(ClassRecord(f"class {number}", "made up", SPLITS[number // 2], len(own)))
        drawings.append(partial(encoded, own))
    source = Source("numbers", "", stored_example("text", (16,)), tuple(classes), tuple(drawings))
    return BankPlan(source, 1).write(tmp_path_factory.mktemp("words") / "bank", progress=False)


def test_tasks_have_every_word_once(bank: TaskBank) -> None:
    for task in word_tasks(bank, "test", SETTINGS, 0):
        assert (len(task.support), len(task.real), len(task.rest)) == (4, 6, 14)
        assert len({*task.support, *task.real, *task.rest}) == 24
    with pytest.raises(UserError, match=r"text\.samples: .* = 52 is more than the 24 words of 'class"):
        word_tasks(bank, "test", SETTINGS.model_copy(update={"samples": 40}), 0)


def test_everyone_writes_as_many_words_for_each_task(bank: TaskBank) -> None:
    tasks = word_tasks(bank, "test", SETTINGS, 0)
    everything = all_languages(bank, SETTINGS)
    gan = initial_gan(architecture_of(bank, TRAINING), TRAINING.inner, 0)
    writers = (
        model_writer(gan, TRAINING, tasks, bank, SETTINGS, 0),
        n_gram_writer([Mixture(one, everything, 0.4) for one in support_models(tasks, SETTINGS)], SETTINGS, 0),
    )
    for write in writers:
        lists = write(0.7)
        assert [len(words) for words in lists] == [6, 6]
        assert lists == write(0.7)


def test_some_of_the_support_words_make_their_class_likelier(bank: TaskBank) -> None:
    tasks = word_tasks(bank, "val", SETTINGS, 0)
    everything, own = all_languages(bank, SETTINGS), support_models(tasks, SETTINGS)[0]
    mixed = Mixture(own, everything, 0.5)
    assert surprise(mixed, tasks[0].real) < surprise(everything, tasks[0].real)
    assert best_share(everything, tasks, SETTINGS) > 0.3


def test_a_likelihood_is_of_generators_that_know_it(bank: TaskBank) -> None:
    weighed = TRAINING.model_copy(update={"outer_objective": OuterObjective(likelihood=1.0)})
    architecture = architecture_of(bank, weighed)
    learner = build_learner(architecture, weighed.inner, weighed)
    gan = initial_gan(architecture, weighed.inner, 0)
    words = bank.domain.to_tensor(bank.images[:3])
    noise = torch.zeros(3, 16)
    expected = -learner.generator(noise, words).mean().item()
    own = {f"generator.{name}": value for name, value in learner.generator.named_parameters()}
    assert learner.surprise(own, noise, words).item() == pytest.approx(expected)
    assert learner.surprise(gan.parameters, noise, words) > 3
    picture = architecture.model_copy(update={"domain": "image", "shape": (1, 16, 16)})
    with pytest.raises(UserError, match=r"outer_objective\.likelihood: must be 0, the domain image has none"):
        build_learner(picture, weighed.inner, weighed)


def test_noise_has_a_number_for_each_character(bank: TaskBank) -> None:
    networks = TRAINING.networks.model_copy(update={"noise_size": 8})
    with pytest.raises(UserError, match=r"networks\.noise_size: must be 16 for text"):
        initial_gan(architecture_of(bank, TRAINING.model_copy(update={"networks": networks})), TRAINING.inner, 0)


def test_words_have_no_pairs_for_a_critic(bank: TaskBank) -> None:
    pairs = OuterObjective(critic=0.5, critic_pairs=True)
    with pytest.raises(UserError, match=r"outer_objective\.critic_pairs: must be false for text"):
        build_critic(architecture_of(bank, TRAINING), pairs)


def test_pictures_are_refused(tmp_path: Path) -> None:
    example = stored_example("image", (1, 16, 16))
    drawing = partial(np.zeros, (3, 1, 16, 16), np.uint8)
    classes = tuple(ClassRecord(split, "", split, 3) for split in SPLITS)
    bank = BankPlan(Source("grey", "", example, classes, (drawing,) * 3), 1).write(tmp_path / "bank", progress=False)
    with pytest.raises(UserError, match="evaluate_text: is of words, but the task bank of grey has image"):
        word_tasks(bank, "test", SETTINGS, 0)
