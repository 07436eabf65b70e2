"""Continual training: what each kind keeps, what it adds to the loss, and that an interruption changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metagan.domains.image import image
from metagan.errors import UserError
from metagan.parameters import ClassifierSettings, Continual, MetaTrain, RunSettings, Trainer, valid_section, validate
from metagan.tasks.bank import TaskBank
from metagan.tasks.phases import phases_of
from metagan.tasks.sampling import Episode
from metagan.training.continual import KINDS, Segment
from metagan.training.continual.base import REPLAYED, SEGMENTS
from metagan.training.continual.ewc import ewc
from metagan.training.continual.generated import KEPT
from metagan.training.continual_classifier import train_continual_classifier, with_episodes
from metagan.training.continual_comparison import check_phases, compared_continual
from metagan.training.continual_gan import ContinualGan, train_continual_gan, with_classes
from metagan.training.on_a_stream import Course

MakeSettings = Callable[..., MetaTrain]
Run = Callable[..., ContinualGan]
ONE_PROCESS = Trainer()
COUNTS = {"support": 2, "query": 3}
CHANGES: dict[str, Any] = {
    "stream": {"phases": 2, "by": "class", "looks": ["plain", "inverted"]},
    "meta_steps": 3,
    "tasks": 4,
    "step": 1,
    "memory": 20,
    "reservoir": {"tasks": 2},
    "ewc": {"tasks": 2},
    "generated": {"classes": 2, "images": 3},
}


def settings_of(**changes: Any) -> Continual:
    return Continual.model_validate({**CHANGES, **changes})


@pytest.fixture
def make_course(bank: TaskBank, make_settings: MakeSettings) -> Callable[..., Course]:
    def make(kind: str = "none", order: str = "phases", **changes: Any) -> Course:
        settings = settings_of(**changes)
        training = make_settings(stream=[], warm_up={"meta_steps": 0})
        return Course(bank, phases_of(bank, settings.stream, 0), order, kind, settings, training, 0)

    return make


@pytest.fixture
def run(embedders: Any, tmp_path: Path) -> Run:
    def train(course: Course, folder: str = "training", trainer: Trainer = ONE_PROCESS) -> ContinualGan:
        return train_continual_gan(course, *embedders, trainer, tmp_path / folder)

    return train


def segment_of(course: Course, number: int = 0, **changes: Any) -> Segment:
    length = course.steps_of_a_segment * course.training.tasks_per_step

    def seen(index: int) -> Episode:
        task = course.stream.generation_task("train", index, course.training.k_shot, course.training.n_query)
        return Episode(task.support[None], task.query[None], (task.class_index,))

    given = {
        "meta_parameters": {},
        "seen": seen,
        "gradient": lambda index: {},
        "draw": lambda shown, count: shown[:, :count],
        **changes,
    }
    indices = range(number * length, (number + 1) * length)
    return Segment(number, indices, course.seed, course.bank.domain, course.settings, **given)


def trained_images(course: Course, number: int) -> list[torch.Tensor]:
    """All images of the classes of a phase that are trained on, as they look there."""
    phase = course.phases[number]
    images = [image.to_tensor(course.bank.class_images(int(index))) for index in phase.trained]
    return [1 - each if phase.look == "inverted" else each for each in images]


def is_among(one: torch.Tensor, images: torch.Tensor) -> bool:
    return bool(((one - images).abs().amax((1, 2, 3)) < 1e-6).any())


def test_a_reservoir_keeps_different_classes_of_what_was_seen(make_course: Callable[..., Course]) -> None:
    course = make_course()
    memory: dict[str, torch.Tensor] = {}
    for number in range(2):
        memory = KINDS["reservoir"].remember(memory, segment_of(course, number))
        pool = image.to_tensor(memory[REPLAYED].numpy())
        assert pool.shape == (2 * (number + 1), 7, 1, 16, 16)
        of_segment = trained_images(course, number)
        owners = [
            [at for at, own in enumerate(of_segment) if all(is_among(one, own) for one in kept)] for kept in pool[-2:]
        ]
        assert sorted(owners) == [[0], [1]]
    assert memory[SEGMENTS].tolist() == [0, 0, 1, 1]


def test_generated_tasks_are_kept_images_and_drawn_ones(make_course: Callable[..., Course]) -> None:
    course, asked = make_course("generated"), []

    def draw(shown: torch.Tensor, count: int) -> torch.Tensor:
        asked.append(shown)
        return torch.full((len(shown), count, *shown.shape[2:]), len(asked) / 5)

    first = KINDS["generated"].remember({}, segment_of(course, 0, draw=draw))
    second = KINDS["generated"].remember(first, segment_of(course, 1, draw=draw))
    assert second[KEPT].shape == (4, 3, 1, 16, 16) and second[REPLAYED].shape == (4, 7, 1, 16, 16)
    assert torch.equal(second[KEPT][:2], first[KEPT])
    assert torch.equal(second[REPLAYED][:, :3], second[KEPT])
    assert (second[REPLAYED][:, 3:] == 102).all(), "those of earlier segments are drawn anew"
    assert torch.equal(asked[1], image.to_tensor(second[KEPT].numpy())), "adapted to what is kept"
    assert all(any(is_among(one, own) for own in trained_images(course, 1)) for kept in asked[1][2:] for one in kept)


def test_elastic_weights_pull_to_the_closed_form_of_a_linear_model(make_course: Callable[..., Course]) -> None:
    """A second quadratic loss (w - b)' A (w - b) / 2 under the penalty is least where (A + c F) w = A b + c F w0."""
    generator = np.random.default_rng(0)
    course = make_course("ewc", ewc={"weight": 3.0, "tasks": 6})
    inputs, targets, first = generator.normal(size=(6, 4)), generator.normal(size=6), generator.normal(size=4)

    def gradient(index: int) -> dict[str, torch.Tensor]:
        return {"w": torch.from_numpy((first @ inputs[index] - targets[index]) * inputs[index])}

    memory = ewc.remember({}, segment_of(course, meta_parameters={"w": torch.from_numpy(first)}, gradient=gradient))
    fisher = np.diag(np.mean([(inputs[i] * (inputs[i] @ first - targets[i])) ** 2 for i in range(6)], axis=0))
    root = generator.normal(size=(4, 4))
    curvature, other = root @ root.T, generator.normal(size=4)
    best = np.linalg.solve(curvature + 3.0 * fisher, curvature @ other + 3.0 * fisher @ first)

    def total(w: torch.Tensor) -> torch.Tensor:
        away = w - torch.from_numpy(other)
        assert ewc.penalty is not None
        return away @ torch.from_numpy(curvature) @ away / 2 + ewc.penalty(memory, {"w": w}, course.settings)

    slope = torch.func.grad(total)
    assert slope(torch.from_numpy(best)).numpy() == pytest.approx(np.zeros(4), abs=1e-9)
    hessian = torch.func.hessian(total)(torch.zeros(4, dtype=torch.float64)).numpy()
    assert hessian == pytest.approx(curvature + 3.0 * fisher)


def test_penalties_of_segments_add_up(make_course: Callable[..., Course]) -> None:
    course, memory = make_course("ewc", ewc={"weight": 2.0, "tasks": 1}), {}
    for number, (anchor, slope) in enumerate([(1.0, 2.0), (5.0, 3.0)]):
        own = {
            "meta_parameters": {"w": torch.tensor([anchor])},
            "gradient": lambda i, g=slope: {"w": torch.tensor([g])},
        }
        memory = ewc.remember(memory, segment_of(course, number, **own))
    assert ewc.penalty is not None
    assert float(ewc.penalty(memory, {"w": torch.tensor([3.0])}, course.settings)) == pytest.approx(4 * 4 + 9 * 4)


def test_replay_takes_its_places_alone() -> None:
    generator = np.random.default_rng(0)
    tasks = {"support": torch.rand(4, 2, 1, 16, 16), "query": torch.rand(4, 3, 1, 16, 16), "noise": torch.rand(4)}
    pool = torch.arange(3 * 6, dtype=torch.uint8).view(3, 6, 1, 1, 1).expand(3, 6, 1, 16, 16)
    found = with_classes(tasks, pool, [2, 3], image, generator)
    for name in ("support", "query"):
        assert torch.equal(found[name][:2], tasks[name][:2])
    assert torch.equal(found["noise"], tasks["noise"])
    for place in (2, 3):
        images = torch.cat([found["support"][place], found["query"][place]])[:, 0, 0, 0].mul(255).round().int()
        assert len(set(images.tolist())) == 5 and len({int(one) // 6 for one in images}) == 1
    for own in (2, 3):
        places = [place if place == own else None for place in (2, 3)]
        of_one_process = with_classes(tasks, pool, places, image, np.random.default_rng(0))
        assert torch.equal(of_one_process["support"][own], found["support"][own])
        assert torch.equal(of_one_process["query"][5 - own], tasks["query"][5 - own])


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_has_a_look_at_every_phase_after_every_segment(
    kind: str, make_course: Callable[..., Course], run: Run
) -> None:
    module = run(make_course(kind))
    assert [row["meta_step"] for row in module.history] == [3, 6]
    for measure in ("recognisability", "fjd"):
        assert np.isfinite(module.matrix(measure)).all() and np.shape(module.matrix(measure)) == (2, 2)
    assert module.retreats == 0
    assert bool(module.memory) == (kind != "none")


@pytest.mark.parametrize("kind", ["ewc", "generated", "reservoir"])
def test_kinds_differ_from_none_after_the_first_segment_alone(
    kind: str, make_course: Callable[..., Course], run: Run
) -> None:
    plain, own = run(make_course("none"), "none"), run(make_course(kind, ewc={"weight": 1e6, "tasks": 2}), kind)
    assert plain.matrix("fjd")[0] == own.matrix("fjd")[0]
    assert plain.matrix("fjd")[1] != own.matrix("fjd")[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["generated", "ewc"])
def test_two_processes_train_as_one_does(kind: str, make_course: Callable[..., Course], run: Run) -> None:
    one, two = (run(make_course(kind), str(devices), Trainer(devices=devices)) for devices in (1, 2))
    assert np.array(two.matrix("fjd")) == pytest.approx(np.array(one.matrix("fjd")), rel=1e-3)
    for name, value in one.memory.items():
        torch.testing.assert_close(two.memory[name].float(), value.float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["generated", "ewc"])
def test_an_interrupted_training_ends_as_one_that_was_not(
    kind: str,
    make_course: Callable[..., Course],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = run(make_course(kind), "whole")
    original = ContinualGan.training_step

    def fails(self: ContinualGan, batch: Any, batch_idx: int) -> None:
        if self.meta_step == 4:
            raise RuntimeError("interrupted")
        original(self, batch, batch_idx)

    monkeypatch.setattr(ContinualGan, "training_step", fails)
    with pytest.raises(RuntimeError, match="interrupted"):
        run(make_course(kind), "parts")
    monkeypatch.setattr(ContinualGan, "training_step", original)
    resumed = run(make_course(kind), "parts")
    assert [row["meta_step"] for row in resumed.history] == [3, 6]
    assert resumed.matrix("fjd") == whole.matrix("fjd")
    for name, value in whole.meta.items():
        assert torch.equal(value, resumed.meta[name]), name


def test_what_is_measured_on_is_never_trained_on(make_course: Callable[..., Course]) -> None:
    for order in ("iid", "phases", "drift", "returns"):
        course = make_course(order=order)
        held_back = {
            index
            for phase in course.phases
            for own in range(20)
            for index in [course.held_back(phase).generation_task("train", own, 1, 1).class_index]
        }
        length = course.steps_of_a_segment * course.segments * course.training.tasks_per_step
        drawn = {course.stream.generation_task("train", index, 1, 1).class_index for index in range(length)}
        assert held_back and drawn and not drawn & held_back


def test_the_upper_bound_has_no_regret(bank: TaskBank, run: Run, make_settings: MakeSettings) -> None:
    settings = settings_of(kinds=["none"], stream={**CHANGES["stream"], "order": "returns"}, meta_steps=4)
    found = compared_continual(bank, run, settings, make_settings(stream=[]), 0)
    assert list(found["arms"]) == ["iid", "none"] and found["segments"] == 4
    for own in found["arms"].values():
        (first, *_, last), upper = own["fjd"]["matrix"], found["arms"]["iid"]["fjd"]["matrix"][-1]
        assert own["fjd"]["regret"] == pytest.approx(first[1] - upper[1])
        assert own["fjd"]["average"] == pytest.approx(sum(last) / 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kinds": ["none", "magic"]}, "kinds.1: 'magic' is not one of 'none', 'reservoir', 'ewc', 'generated'"),
        ({"stream": {"order": "random"}}, "stream.order: 'random' is not one of 'iid', 'phases', 'drift', 'returns'"),
        ({"stream": {"phases": 1}}, "stream.phases"),
        ({"stream": {"looks": []}}, "stream.looks: [] must have at least 1 item"),
        ({"generated": {"classes": 60}}, "generated.classes: 60 of 8 images are 480, more than memory = 160"),
        ({"replay": 1.5}, "replay"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match="continual") as refusal:
        valid_section("continual", Continual, changes)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"reservoir": {"tasks": 9}},
            "continual.reservoir.tasks: 9 of 20 images (k_shot + n_query) are 180, more than",
        ),
        ({"generated": {"images": 9, "classes": 2}}, "continual.generated.images: must be from smallest_k_shot = 1 to"),
        ({"training": {"meta_stepz": 3}}, "continual.training.meta_stepz: unknown parameter"),
    ],
)
def test_a_replay_larger_than_memory_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        validate({"continual": changes})
    assert message in str(refusal.value)
    assert validate({}) == RunSettings()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reservoir": {"tasks": 3}, "memory": 40}, "continual.reservoir.tasks: 3 of each phase are to be kept"),
        ({"generated": {"classes": 3, "images": 1}}, "continual.generated.classes: 3 of each phase are to be kept"),
    ],
)
def test_more_kept_than_a_phase_has_is_refused(
    bank: TaskBank, make_settings: MakeSettings, changes: dict[str, Any], message: str
) -> None:
    settings, training = settings_of(**changes), make_settings()
    with pytest.raises(UserError, match=message):
        check_phases(phases_of(bank, settings.stream, 0), settings, training)
    check_phases(phases_of(bank, settings.stream, 0), settings_of(**changes, kinds=["none", "ewc"]), training)


def test_a_classifier_replays_episodes_of_one_segment(bank: TaskBank, tmp_path: Path) -> None:
    changes = {"n_way": 2, "k_shot": 2, "n_query": 3, "tasks_per_step": 2, "stream": [], "network": {"width": 8}}
    training = ClassifierSettings.model_validate({**changes, "task_parallel": "loop"})
    settings = settings_of(learner="classifier", kinds=["reservoir"])
    course = Course(bank, phases_of(bank, settings.stream, 0), "phases", "reservoir", settings, training, 0)
    module = train_continual_classifier(course, Trainer(), tmp_path)
    assert np.shape(module.matrix("accuracy")) == (2, 2)
    assert module.memory[SEGMENTS].tolist() == [0, 0]
    pool = torch.arange(4 * 6, dtype=torch.uint8).view(4, 6, 1, 1, 1).expand(4, 6, 1, 16, 16)
    batch = module.train_tasks(range(2))
    found = with_episodes(batch, pool, torch.tensor([0, 0, 1, 1]), 2, [1], image, np.random.default_rng(0))
    assert all(torch.equal(found[name][0], batch[name][0]) for name in batch)
    assert all(torch.equal(found[name], batch[name]) for name in ("support_labels", "query_labels", "ways"))
    drawn = {part: found[part][1][:, 0, 0, 0].mul(255).round().int().view(2, number) for part, number in COUNTS.items()}
    owners = [{int(one) // 6 for part in drawn.values() for one in part[way]} for way in range(2)]
    assert sorted(len(own) for own in owners) == [1, 1] and set.union(*owners) in ({0, 1}, {2, 3})
    assert len({int(one) for part in drawn.values() for one in part.flatten()}) == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "continual.kinds: generated is of a GAN"),
        (
            {"kinds": ["none"], "reservoir": {"tasks": 3}},
            "continual.reservoir.tasks: must be at least n_way = 5, not 3",
        ),
        ({"kinds": ["none"], "classifier": {"method": "fine_tune"}}, "continual.classifier.method: must be another"),
        ({"kinds": ["none"], "classifier": {"method": "posterior"}}, "which wants all train classes at once"),
    ],
)
def test_what_a_classifier_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        validate({"continual": {"learner": "classifier", **changes}})
    assert message in str(refusal.value)
