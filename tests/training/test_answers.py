from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_digits

from metagan.meta.adversary import Predict
from metagan.meta.class_posterior import log_chances
from metagan.meta.learners import TaskTensors
from metagan.meta.methods.prototypical import PrototypicalLearner
from metagan.parameters import ClassifierSettings
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training.answers import answers, foreign_queries, posterior_answers, train_classes_of
from metagan.training.classifier import FewShotClassifier, architecture_of, few_shot_classifier, initial_classifier
from metagan.training.episodes import episode_task

SHAPE = (2, 2, 3)


def classifier(method: str, bank: TaskBank) -> FewShotClassifier:
    settings = ClassifierSettings.model_validate(
        {"method": method, "n_way": 2, "k_shot": 2, "n_query": 3, "network": {"width": 4}, "inner": {"steps": 2}}
    )
    learner, rules, start = initial_classifier(bank, settings, 0)
    return few_shot_classifier(settings, architecture_of(bank, settings), learner, rules, start)


@pytest.fixture
def model(bank: TaskBank) -> FewShotClassifier:
    return classifier("maml", bank)


def test_the_first_answers_are_those_of_the_adapted_network(model: FewShotClassifier, bank: TaskBank) -> None:
    found = answers(model, bank, "test", 0, SHAPE, 3, 2)
    assert found.logits.shape == (2, 3, 6, 2) and found.labels.shape == (3, 6)
    for index in range(3):
        task = episode_task(task_stream(bank, 0), "test", index, *SHAPE)
        assert torch.equal(found.logits[0, index], model.predictor(task)(task["query"]))
        assert torch.equal(found.labels[index], task["query_labels"])


def test_further_networks_are_adapted_to_moved_examples(model: FewShotClassifier, bank: TaskBank) -> None:
    found, again, more = (answers(model, bank, "test", 0, SHAPE, 2, members) for members in (3, 3, 4))
    assert torch.equal(found.logits, again.logits) and torch.equal(found.logits, more.logits[:3])
    assert all((found.logits[0] != found.logits[member]).any() for member in (1, 2))
    assert (found.logits[1] != found.logits[2]).any()


def test_foreign_queries_are_of_other_classes(
    model: FewShotClassifier, bank: TaskBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapted network gives their examples, found in the bank, the same answers."""
    stream = task_stream(bank, 0)
    found = answers(model, bank, "test", 0, SHAPE, 4, 2)
    asked: list[torch.Tensor] = []

    def predictor(model: FewShotClassifier, task: TaskTensors) -> Predict:
        def predict(images: torch.Tensor) -> torch.Tensor:
            asked.append(images)
            return images.new_zeros(len(images), 2)

        return predict

    monkeypatch.setattr(FewShotClassifier, "predictor", predictor)
    answers(model, bank, "test", 0, SHAPE, 4, 2)
    for index, foreign in enumerate(asked[1::4]):
        here = set(stream.episode("test", index, *SHAPE).class_indices)
        others = [bank.domain.to_tensor(bank.class_images(each)) for each in set(bank.splits["test"]) - here]
        known = torch.cat(others)
        assert all((known == example).flatten(1).all(1).any() for example in foreign)
    assert found.foreign["classes"].shape == (2, 4, len(asked[1]), 2)


def test_where_no_class_is_left_there_are_no_foreign_queries(bank: TaskBank) -> None:
    count = len(bank.splits["test"])
    found = answers(classifier("prototypical", bank), bank, "test", 0, (count, 2, 3), 2, 2)
    assert found.logits.shape == (2, 2, 3 * count, count) and found.foreign["classes"].shape == (2, 2, 0, count)


def test_the_posterior_answers_from_the_features_of_the_same_episodes(bank: TaskBank) -> None:
    model = classifier("prototypical", bank)
    train = train_classes_of(model, bank)
    assert train is not None and isinstance(model.learner, PrototypicalLearner)
    prior = train.prior
    found = posterior_answers(model, prior, bank, "test", 0, SHAPE, 2)
    plain = answers(model, bank, "test", 0, SHAPE, 2, 2)
    assert torch.equal(found.answers.labels, plain.labels)
    drawn = task_stream(bank, 0).episode("test", 1, *SHAPE)
    support, query = (model.learner.embed(model.parameters, images.flatten(0, 1)) for images in drawn[:2])
    of_class, of_none = log_chances(prior, support.unflatten(0, (2, 2)).mean(1), torch.tensor([2, 2]), query)
    torch.testing.assert_close(found.answers.logits[0, 1], of_class)
    torch.testing.assert_close(found.own[1], of_class.amax(1) - of_none)
    assert found.foreign["classes"].shape == (2, 3) and found.answers.foreign["classes"].shape == (1, 2, 3, 2)


def test_widths_change_which_class_it_is_and_not_whether_it_is_any(bank: TaskBank) -> None:
    model = classifier("prototypical", bank)
    train = train_classes_of(model, bank)
    assert train is not None
    asked = (model, train.prior, bank, "test", 0, SHAPE, 2)
    plain, wide = (
        posterior_answers(*asked, widen)
        for widen in (None, lambda prior, support, *_: torch.full((2, support.shape[1]), 4.0))
    )
    assert not torch.equal(wide.answers.logits, plain.answers.logits)
    assert torch.equal(wide.own, plain.own) and torch.equal(wide.foreign["classes"], plain.foreign["classes"])


def test_only_features_that_stay_have_a_prior(bank: TaskBank) -> None:
    assert train_classes_of(classifier("maml", bank), bank) is None


def test_of_drawings_in_grey_digits_are_foreign_too(bank: TaskBank) -> None:
    drawings = replace(bank, example=bank.example.model_copy(update={"on_paper": True}))
    assert foreign_queries(bank, "test", 0, SHAPE).keys() == {"classes"}
    assert foreign_queries(replace(drawings, source="digits"), "test", 0, SHAPE).keys() == {"classes"}
    digits = foreign_queries(drawings, "test", 0, SHAPE)["digits"]
    first, second = digits(0), digits(1)
    assert first.shape == (6, *bank.example.shape) and (first != second).any() and torch.equal(first, digits(0))
    shipped = torch.from_numpy(load_digits().images).float().mean() / 16
    assert torch.stack([digits(index) for index in range(50)]).mean().item() == pytest.approx(shipped.item(), rel=0.05)
