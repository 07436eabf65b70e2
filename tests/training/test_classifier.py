"""Training of few-shot classifiers: what it hands over, what it looks at, seeds, interruptions and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metagan.domains import stored_example
from metagan.errors import UserError
from metagan.evaluation.robust_accuracy import evaluate_robustness
from metagan.meta.methods import METHODS
from metagan.parameters import ClassifierSettings, RobustnessSettings, Trainer, validate
from metagan.pipelines.classifier.nodes import train as train_one
from metagan.pipelines.classifier.nodes import train_natural_twin
from metagan.pipelines.evaluate_robustness import nodes as evaluation
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import TaskStream, task_stream
from metagan.training.adapted_episodes import adapted_episodes, support_sets
from metagan.training.classifier import (
    FewShotClassifier,
    architecture_of,
    few_shot_classifier,
    initial_classifier,
    load_classifier,
)
from metagan.training.classifier_training import (
    STATISTICS_EPISODES,
    ClassifierTraining,
    train_classifier,
    with_statistics,
)
from metagan.training.episodes import episode_task
from metagan.training.saved import ClassifierHeader, SavedModel, saved_model

MakeSettings = Callable[..., ClassifierSettings]
Saved = SavedModel[ClassifierHeader]
Trained = tuple[Saved, list[dict[str, Any]]]
Train = Callable[..., Trained]

WAYS, SHOTS, QUERIES, LOOKS = 2, 2, 3, 4
SHAPE = (WAYS, SHOTS, QUERIES)
ATTACKED = {"where": "query", "attack": "pgd", "steps": 2}
"""With a random start."""


@pytest.fixture
def make_classifier() -> MakeSettings:
    """Training of four steps with two looks on the val classes; keywords change any part."""

    def make(**changes: Any) -> ClassifierSettings:
        small: dict[str, Any] = {
            "method": "prototypical",
            "n_way": WAYS,
            "k_shot": SHOTS,
            "n_query": QUERIES,
            "tasks_per_step": 2,
            "meta_steps": 4,
            "validate_every": 2,
            "validation_tasks": LOOKS,
            "task_parallel": "loop",
            "network": {"width": 4},
            "inner": {"steps": 2, "test_steps": 2},
        }
        for name, value in changes.items():
            nested = isinstance(value, dict) and name in small
            small[name] = {**small[name], **value} if nested else value
        return ClassifierSettings.model_validate(small)

    return make


@pytest.fixture
def train(bank: TaskBank, tmp_path: Path) -> Train:
    """Train in a folder of the test."""

    def run(settings: ClassifierSettings, seed: int = 0, folder: str = "training", of: TaskBank = bank) -> Trained:
        return train_classifier(of, settings, Trainer(), seed, tmp_path / folder, None)

    return run


def untrained(bank: TaskBank, settings: ClassifierSettings, seed: int = 0) -> FewShotClassifier:
    """As validation sees a classifier before its first step."""
    learner, rules, start = initial_classifier(bank, settings, seed)
    state = with_statistics(start, learner, bank, settings, seed)
    return few_shot_classifier(settings, architecture_of(bank, settings), learner, rules, state)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


def without_time(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def accuracy_on_val(saved: Saved, bank: TaskBank, k_shot: int) -> float:
    """Of the episodes that validation looks at."""
    classifier = load_classifier(saved)
    right = []
    for index in range(LOOKS):
        task = episode_task(task_stream(bank, 0), "val", index, WAYS, k_shot, QUERIES)
        right.append(
            (classifier.predictor(task)(task["query"]).argmax(1) == task["query_labels"]).float().mean().item()
        )
    return sum(right) / LOOKS


# What training hands over


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_classifier_does_what_its_training_saw(
    train: Train, bank: TaskBank, make_classifier: MakeSettings, tmp_path: Path, method: str
) -> None:
    """Loaded without pickled code, it has the accuracy on val classes for which it was selected."""
    saved, history = train(make_classifier(method=method, learning_rate=0.02, adversary=ATTACKED))
    torch.save(saved.as_content(), tmp_path / "classifier.pt")
    loaded = saved_model(torch.load(tmp_path / "classifier.pt", weights_only=True))
    assert loaded.header == saved.header
    in_memory, from_disk = load_classifier(saved), load_classifier(loaded)
    natural = []
    for index in range(LOOKS):
        task = episode_task(task_stream(bank, 0), "val", index, *SHAPE)
        logits = from_disk.predictor(task)(task["query"])
        assert torch.equal(logits, in_memory.predictor(task)(task["query"]))
        assert not logits.requires_grad
        natural.append((logits.argmax(1) == task["query_labels"]).float().mean().item())
    best = max(history, key=lambda row: row["val/score"])
    assert [row["meta_step"] for row in history] == [2, 4]
    assert saved.header.provenance.meta_step == best["meta_step"]
    assert sum(natural) / LOOKS == pytest.approx(best["val/accuracy"])
    assert best["val/score"] == pytest.approx((best["val/accuracy"] + best["val/robust_accuracy"]) / 2)


def test_scales_and_shifts_of_each_step_are_learned_and_kept(
    train: Train, bank: TaskBank, make_classifier: MakeSettings
) -> None:
    plus_plus = {"method": "maml", "per_step_batch_norm": True, "multi_step_loss": True, "inner": {"test_steps": 4}}
    saved, history = train(make_classifier(**plus_plus, learning_rate=0.02))
    scales = saved.state["classifier.norms.3.weight"]
    assert scales.shape == (3, 4)
    assert not torch.allclose(scales[0], scales[2])
    best = max(history, key=lambda row: row["val/score"])
    assert accuracy_on_val(saved, bank, SHOTS) == pytest.approx(best["val/accuracy"])


def test_val_classes_may_have_fewer_support_images_than_training(
    train: Train, bank: TaskBank, make_classifier: MakeSettings
) -> None:
    settings = make_classifier(method="reptile", k_shot=4, validation_shots=1, inner={"shots": 2}, learning_rate=0.02)
    saved, history = train(settings)
    best = max(history, key=lambda row: row["val/score"])
    assert accuracy_on_val(saved, bank, 1) == pytest.approx(best["val/accuracy"])
    assert accuracy_on_val(saved, bank, 4) != pytest.approx(best["val/accuracy"])


def test_without_an_adversary_the_score_is_the_accuracy(train: Train, make_classifier: MakeSettings) -> None:
    _, history = train(make_classifier())
    assert all(row["val/score"] == row["val/accuracy"] for row in history)
    assert not any("val/robust_accuracy" in row for row in history)


def test_training_learns(train: Train, make_bank: Callable[..., TaskBank], make_classifier: MakeSettings) -> None:
    settings = make_classifier(meta_steps=60, validate_every=20, learning_rate=0.02, validation_tasks=10, n_way=4)
    saved, _ = train(settings, of=make_bank(noise=90.0))
    before, after = untrained(make_bank(noise=90.0), settings), load_classifier(saved)
    accuracies = {"before": 0.0, "after": 0.0}
    for index in range(40):
        task = episode_task(task_stream(make_bank(noise=90.0), 99), "val", index, 4, SHOTS, QUERIES)
        for name, classifier in (("before", before), ("after", after)):
            recognised = classifier.predictor(task)(task["query"]).argmax(1) == task["query_labels"]
            accuracies[name] += recognised.float().mean().item() / 40
    assert accuracies["after"] > accuracies["before"] + 0.05


@pytest.mark.parametrize(
    ("method", "batch_norm"),
    [pair for pair in product(METHODS, ["inductive", "transductive"]) if pair != ("posterior", "transductive")],
)
def test_a_prediction_depends_on_other_queries_only_if_transductive(
    bank: TaskBank, make_classifier: MakeSettings, method: str, batch_norm: str
) -> None:
    classifier = untrained(bank, make_classifier(method=method, network={"batch_norm": batch_norm}))
    assert classifier.is_transductive == (batch_norm == "transductive")
    task = episode_task(task_stream(bank, 0), "val", 0, *SHAPE)
    predict, query = classifier.predictor(task), task["query"]
    first = predict(query)[:1]
    for others in (query[:0], 1 - query[1:], query[1:] * 0.1):
        unchanged = torch.allclose(predict(torch.cat([query[:1], others]))[:1], first, rtol=1e-4, atol=1e-4)
        assert unchanged == (batch_norm == "inductive")


@pytest.mark.parametrize("method", ["prototypical", "matching_fce", "fine_tune"])
def test_population_statistics_are_means_over_train_episodes(
    bank: TaskBank, make_classifier: MakeSettings, method: str
) -> None:
    settings = make_classifier(method=method)
    learner, _, start = initial_classifier(bank, settings, 3)
    state = with_statistics(start, learner, bank, settings, 3)
    seen = []
    for index in range(STATISTICS_EPISODES):
        task = episode_task(task_stream(bank, 3, settings.stream), "train", index, *SHAPE)
        seen.append(found := [])
        with torch.no_grad():
            learner.network(torch.cat([task["support"], task["query"]]), found=found)
    assert state.keys() - start.keys() == {f"statistics.{i}.{name}" for i in range(4) for name in ("mean", "variance")}
    for block in range(4):
        for place, name in enumerate(("mean", "variance")):
            expected = sum(found[block][place] for found in seen) / STATISTICS_EPISODES
            torch.testing.assert_close(state[f"statistics.{block}.{name}"], expected)


@pytest.mark.parametrize(("method", "batch_norm"), [("maml", "inductive"), ("prototypical", "transductive")])
def test_others_have_no_population_statistics(
    bank: TaskBank, make_classifier: MakeSettings, method: str, batch_norm: str
) -> None:
    settings = make_classifier(method=method, network={"batch_norm": batch_norm})
    learner, _, start = initial_classifier(bank, settings, 0)
    assert with_statistics(start, learner, bank, settings, 0).keys() == start.keys()


def test_the_zero_head_of_fine_tuning_stays_zero(train: Train, make_classifier: MakeSettings) -> None:
    saved, _ = train(make_classifier(method="fine_tune"))
    assert all(saved.state[f"classifier.head.{name}"].abs().max() == 0 for name in ("weight", "bias"))
    assert saved.state["classifier.base_head.bias"].shape == (8,)


# What training looks at


@pytest.mark.parametrize("method", ["prototypical", "posterior", "fine_tune", "maml"])
def test_no_test_class_is_ever_drawn(
    train: Train,
    bank: TaskBank,
    make_classifier: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    """Train classes for training and statistics, val classes for selection; other test images change nothing."""
    drawn: set[int] = set()
    images_of = TaskBank.class_images

    def recorded(self: TaskBank, class_index: int) -> Any:
        drawn.add(class_index)
        return images_of(self, class_index)

    settings = make_classifier(method=method, adversary=ATTACKED, meta_steps=8, validate_every=4)
    with monkeypatch.context() as patch:
        patch.setattr(TaskBank, "class_images", recorded)
        saved, history = train(settings)
    assert drawn <= {*bank.splits["train"], *bank.splits["val"]}
    assert drawn >= {*bank.splits["train"]}
    assert drawn & {*bank.splits["val"]}

    images = bank.images.copy()
    for index in bank.splits["test"]:
        images[bank.offsets[index] : bank.offsets[index + 1]] ^= 255
    other, other_history = train(settings, folder="other test images", of=replace(bank, images=images))
    assert same(saved.state, other.state)
    assert without_time(history) == without_time(other_history)


def test_jitter_moves_train_images_and_no_others(
    train: Train, bank: TaskBank, make_classifier: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def noted(stream: TaskStream, split: str, *rest: Any, **named: Any) -> dict[str, torch.Tensor]:
        task = episode_task(stream, split, *rest, **named)
        drawn.append((split, torch.cat([task["support"], task["query"]])))
        return task

    monkeypatch.setattr("metagan.training.classifier_training.episode_task", noted)
    settings = make_classifier(method="maml")
    for wrappers in ((), ("jittered",)):
        train(settings.model_copy(update={"stream": wrappers}), folder="-".join(wrappers))
    half = len(drawn) // 2
    for (split, images), (other, jittered) in zip(drawn[:half], drawn[half:], strict=True):
        assert split == other
        assert torch.equal(images, jittered) == (split == "val")
    assert {split for split, _ in drawn} == {"train", "val"}


def test_the_average_of_the_best_look_is_kept(
    train: Train, make_classifier: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, scores = [], iter([0.2, 0.8, 0.77, 0.79])

    def measure(self: ClassifierTraining) -> dict[str, float]:
        states.append({name: value.detach().clone() for name, value in self.meta_parameters(averaged=True).items()})
        return {"val/score": next(scores)}

    monkeypatch.setattr(ClassifierTraining, "measure", measure)
    settings = make_classifier(method="prototypical", network={"batch_norm": "transductive"}, meta_steps=8)
    saved, _ = train(settings)
    assert saved.header.provenance.meta_step == 4
    assert same(saved.state, states[1])
    assert not same(saved.state, states[2])


def test_fewer_val_classes_than_ways_are_enough(
    train: Train, make_classifier: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6 ways of 8 train classes; validation makes do with the 5 val classes."""
    ways = {"train": set(), "val": set()}

    def noted(stream: TaskStream, split: str, *rest: Any, **named: Any) -> dict[str, torch.Tensor]:
        task = episode_task(stream, split, *rest, **named)
        ways[split].add(len(task["query_labels"].unique()))
        return task

    monkeypatch.setattr("metagan.training.classifier_training.episode_task", noted)
    settings = make_classifier(method="maml", n_way=6, meta_steps=2)
    _, history = train(settings)
    assert ways == {"train": {6}, "val": {5}}
    queries = 5 * settings.n_query * settings.validation_tasks
    assert history[0]["val/accuracy"] * queries == pytest.approx(round(history[0]["val/accuracy"] * queries), abs=1e-3)


def test_the_natural_twin_differs_in_nothing_but_the_adversary(
    train: Train, bank: TaskBank, make_classifier: MakeSettings, tmp_path: Path
) -> None:
    settings = make_classifier(method="maml", adversary={**ATTACKED, "where": "both"})
    twin, table = train_natural_twin(bank, settings.model_dump(mode="json"), {}, 0, tmp_path / "twin")
    assert load_classifier(twin).learner.adversary is None
    assert twin.header.settings.adversary.where == "none"
    assert twin.header.settings.model_copy(update={"adversary": settings.adversary}) == settings
    assert "val/robust_accuracy" not in table
    natural, history = train(make_classifier(method="maml"))
    assert same(twin.state, natural.state)
    assert list(table["val/score"]) == [row["val/score"] for row in history]
    robust, _ = train(settings)
    assert load_classifier(robust).learner.adversary.where == "both"
    assert not same(robust.state, natural.state)


# Seeds and interruptions

RESUMED = [
    {"method": "maml", "inner": {"update_rule": "lslr"}, "adversary": {**ATTACKED, "where": "both"}},
    {"method": "prototypical", "adversary": ATTACKED},
]
each_resumed = pytest.mark.parametrize("changes", RESUMED, ids=lambda changes: changes["method"])


@each_resumed
def test_same_seed_same_numbers_other_seed_other_numbers(
    train: Train, make_classifier: MakeSettings, changes: dict[str, Any]
) -> None:
    settings = make_classifier(**changes)
    first = train(settings)
    torch.rand(1)  # the global random state does not count
    again, other = (train(settings, seed, folder=f"seed {seed}") for seed in (0, 1))
    assert same(first[0].state, again[0].state)
    assert without_time(first[1]) == without_time(again[1])
    assert not same(first[0].state, other[0].state)


@each_resumed
def test_an_interrupted_training_goes_on_to_the_same_bits(
    train: Train, make_classifier: MakeSettings, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """Stopped at its second look, taken up from its first."""
    settings = make_classifier(**changes, meta_steps=6)
    whole = train(settings, folder="whole")
    measure, steps = ClassifierTraining.measure, []

    def stopped(self: ClassifierTraining) -> Any:
        if self.meta_step == 4:
            raise InterruptedError("stopped by the test")
        return measure(self)

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(ClassifierTraining, "measure", stopped)
        train(settings)
    step = ClassifierTraining.training_step

    def counted(self: ClassifierTraining, *arguments: Any) -> None:
        steps.append(self.meta_step + 1)
        step(self, *arguments)

    monkeypatch.setattr(ClassifierTraining, "training_step", counted)
    resumed = train(settings)
    assert steps == [3, 4, 5, 6]
    assert same(whole[0].state, resumed[0].state)
    assert without_time(whole[1]) == without_time(resumed[1])


# What a trained classifier is asked for


@pytest.fixture
def saved(bank: TaskBank, make_classifier: MakeSettings) -> Callable[..., Saved]:
    """A classifier as training hands it over, untrained."""

    def make(**changes: Any) -> Saved:
        settings = make_classifier(**changes)
        header = ClassifierHeader(architecture=architecture_of(bank, settings), settings=settings)
        return SavedModel(header, untrained(bank, settings).parameters)

    return make


def test_episodes_of_the_evaluation_are_adapted_to(bank: TaskBank, saved: Callable[..., Saved]) -> None:
    classifier = saved(method="maml")
    adapt = adapted_episodes(classifier, bank, "test", 0, *SHAPE)
    task, other = (episode_task(task_stream(bank, 0), "test", index, *SHAPE) for index in (1, 2))
    model = adapt(1, None)
    assert torch.equal(model.query, task["query"])
    assert torch.equal(model.labels, task["query_labels"])
    expected = load_classifier(classifier).predictor(task)(task["query"])
    assert torch.equal(model.predict(model.query), expected)
    poisoned = adapt(1, other["support"])
    expected = load_classifier(classifier).predictor({**task, "support": other["support"]})(task["query"])
    assert torch.equal(poisoned.predict(task["query"]), expected)


def test_adaptation_under_attack_has_the_starts_of_its_norm(bank: TaskBank, saved: Callable[..., Saved]) -> None:
    """An adversary on the support set is there on new tasks too; l2 starts are normal, not uniform."""
    classifier = saved(method="maml", adversary={"where": "support", "norm": "l2", "epsilon": 2.0})
    task = episode_task(task_stream(bank, 0), "test", 0, *SHAPE, norm="l2")
    expected = load_classifier(classifier).predictor(task)(task["query"])
    model = adapted_episodes(classifier, bank, "test", 0, *SHAPE)(0, None)
    assert torch.equal(model.predict(task["query"]), expected)


# Bad input is one line


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("epsilon", -0.1, "-0.1 is not valid: input should be greater than or equal to 0"),
        ("epsilon", 1.5, "1.5 is more than 1, the range of a pixel; linf needs 0 to 1"),
        ("epsilon", math.nan, "nan is not valid: input should be a finite number"),
        ("attack", "deepfool", "'deepfool' is not one of 'fgsm', 'pgd'"),
        ("where", "everywhere", "'everywhere' is not one of 'none', 'support', 'query', 'both'"),
        ("norm", "l1", "'l1' is not one of 'linf', 'l2'"),
        ("steps", 0, "0 is not valid: input should be greater than or equal to 1"),
        ("weight", 1.5, "1.5 is the share of the attacked images in the loss, so 0 to 1"),
    ],
)
def test_a_bad_adversary_is_named(name: str, value: object, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        validate({"classifier": {"adversary": {name: value}}})
    assert str(caught.value) == f"classifier.adversary.{name}: {says}"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n_way": 9}, r"^classifier\.n_way: 9, but the train split has only 8 classes$"),
        ({"n_query": 9}, r"^k_shot \+ n_query = 11, but class 'class \d+' has 10 images: lower one of them$"),
        (
            {"method": "matching_fce", "task_parallel": "vmap"},
            r"\n  Value error, task_parallel: vmap cannot map the LSTM of matching_fce; use auto or threads \[type=",
        ),
        ({"method": "posterior", "network": {"batch_norm": "transductive"}}, r"network.batch_norm: must be inductive"),
        ({"per_step_batch_norm": True}, r"per_step_batch_norm: needs method maml, fomaml or anil, not prototypical"),
        (
            {"adversary": {"where": "query", "loss": "trades", "random_start": False}},
            r"\nadversary\n  Value error, random_start: must be true with trades,",
        ),
    ],
)
def test_a_training_that_cannot_be_is_refused(
    train: Train, make_classifier: MakeSettings, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        train(make_classifier(**changes))


@pytest.fixture
def measure(
    bank: TaskBank, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """The robustness evaluation, of which no attack may start."""
    monkeypatch.setattr(evaluation, "evaluate_robustness", lambda *_: pytest.fail("attacked before the check"))

    def run(classifier: Saved, of: TaskBank = bank, **settings: Any) -> Any:
        return evaluation.measure(
            of, [classifier], RobustnessSettings(**{"n_way": (WAYS,), "n_query": 2, **settings}), 0
        )

    return run


@pytest.mark.parametrize("method", ["maml", "fomaml", "reptile", "anil", "fine_tune"])
def test_a_head_of_other_ways_is_refused_before_the_first_attack(
    measure: Callable[..., Any], saved: Callable[..., Saved], method: str
) -> None:
    says = rf"^robustness\.n_way: 3, but this {method} classifier was trained for 2 ways and its head fits no other"
    with pytest.raises(ValueError, match=says):
        measure(saved(method=method), n_way=(WAYS, 3))


@pytest.mark.parametrize("method", ["prototypical", "maml"])
def test_images_of_another_size_are_refused(
    measure: Callable[..., Any], saved: Callable[..., Saved], bank: TaskBank, method: str
) -> None:
    images = bank.images.repeat(2, axis=2).repeat(2, axis=3)
    larger = replace(bank, images=images, example=stored_example("image", (1, 32, 32)))
    says = r"^classifier: trained on examples of domain image and shape \(1, 16, 16\), but the task bank has .*32, 32\)"
    with pytest.raises(ValueError, match=says):
        measure(saved(method=method), of=larger)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_way": (WAYS, 4)}, r"^4 classes are needed \(n_way\), but split 'test' has 3 to draw from$"),
        ({"k_shot": (1, 9)}, r"^k_shot \+ n_query = 11, but class 'class \d+' has 10 images: lower one of them$"),
    ],
)
def test_episodes_that_cannot_be_drawn_are_refused(
    measure: Callable[..., Any], saved: Callable[..., Saved], settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        measure(saved(), **settings)


def test_weights_of_another_kind_are_refused(embedders: tuple[SavedModel[Any], ...]) -> None:
    with pytest.raises(UserError, match=r"^weights of kind 'classifier' are needed, not 'embedder'$"):
        load_classifier(embedders[0])


def test_robust_accuracy_is_the_same_in_every_run_and_with_any_number_of_threads(
    bank: TaskBank, make_classifier: MakeSettings, train: Train
) -> None:
    saved, _ = train(make_classifier(method="maml"))
    settings = RobustnessSettings(
        episodes=8,
        n_way=(WAYS,),
        k_shot=(SHOTS,),
        n_query=QUERIES,
        linf_epsilons=(0.05,),
        l2_epsilons=(0.3,),
        steps=2,
        masking_episodes=2,
        poisoned_epsilon=None,
    )
    shape = (bank, "test", 0, *SHAPE)

    def measured(workers: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        adapt = adapted_episodes(saved, *shape)
        found = evaluate_robustness(
            bank.domain, adapt, support_sets(*shape), settings, 0, progress=False, workers=workers
        )
        return found.table, found.pictures

    table, pictures = measured(1)
    for _ in range(2):
        again, same_pictures = measured(4)
        assert again == table
        assert all(np.array_equal(same_pictures[name], picture) for name, picture in pictures.items())


def test_adapting_to_an_episode_leaves_the_global_generator_to_the_attacks(
    bank: TaskBank, make_classifier: MakeSettings, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapt = adapted_episodes(train(make_classifier())[0], bank, "test", 0, *SHAPE)
    monkeypatch.setattr(torch, "manual_seed", lambda seed: pytest.fail("reseeded while other threads attack"))
    first, second = adapt(0, None), adapt(0, None)
    assert torch.equal(first.predict(first.query), second.predict(second.query))


def test_without_an_adversary_the_natural_twin_is_the_same_training(
    bank: TaskBank, make_classifier: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not done twice, whatever attack is not made."""
    steps, step = [], ClassifierTraining.training_step

    def counted(self: ClassifierTraining, *batch: Any) -> None:
        steps.append(self.meta_step)
        step(self, *batch)

    monkeypatch.setattr(ClassifierTraining, "training_step", counted)
    settings = make_classifier(adversary={**ATTACKED, "where": "none"}).model_dump()
    arguments = (bank, settings, Trainer().model_dump(), 0, tmp_path)
    (classifier, history), (natural, natural_history) = train_one(*arguments), train_natural_twin(*arguments)
    assert steps == [0, 1, 2, 3]
    assert same(classifier.state, natural.state)
    assert history.equals(natural_history)
