"""Loop, threads and vmap do the same work."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from metagan.losses.gan import GAN_LOSSES
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.task_parallel import TaskFunction, TaskMap, resolve
from metagan.meta.update_rules import Rules, shared_rule
from metagan.meta.update_rules.lslr import lslr

MakeLearner = Callable[..., GanLearner]
MakeParameters = Callable[..., Parameters]
MakeTasks = Callable[..., TaskTensors]

MODES = ("loop", "threads", "vmap")
N_TASKS, CHUNK = 3, 2  # the last chunk is not full


def rules_of(parameters: Parameters) -> Rules:
    return shared_rule(lslr, [name for name in parameters if f"rule.{name}" in parameters])


def meta_loss(meta_gradient: str) -> TaskFunction:
    def loss(learner: GanLearner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        rules = rules_of(parameters)
        return META_GRADIENTS[meta_gradient](learner, rules, parameters, task, [0.4, 1.0], differentiate)

    return loss


@pytest.mark.parametrize(
    ("meta_gradient", "gan_loss", "adversarial"),
    [*(("maml", gan_loss, 0.0) for gan_loss in GAN_LOSSES), *((name, "relativistic", 0.3) for name in META_GRADIENTS)],
)
def test_all_modes_agree_in_value_and_every_gradient(
    make_learner: MakeLearner,
    make_parameters: MakeParameters,
    make_tasks: MakeTasks,
    meta_gradient: str,
    gan_loss: str,
    adversarial: float,
) -> None:
    learner = make_learner(
        gan_loss=gan_loss, r1=0.5, r2=0.2, distances={"energy": 1.0, "mmd": 0.5}, adversarial=adversarial
    )
    assert_modes_agree(learner, meta_gradient, make_parameters, make_tasks)


def test_all_modes_agree_with_an_encoder_and_a_critic(
    make_learner: MakeLearner,
    make_parameters: MakeParameters,
    make_tasks: MakeTasks,
    encoder_and_critic: dict[str, object],
) -> None:
    assert_modes_agree(make_learner(**encoder_and_critic), "maml", make_parameters, make_tasks)


def assert_modes_agree(
    learner: GanLearner, meta_gradient: str, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    parameters, tasks = (
        make_parameters(learner, rate=0.05, adapts=lambda name: "noise" not in name),
        make_tasks(N_TASKS),
    )
    value, gradients = TaskMap(learner, "loop", CHUNK).mean_gradient(meta_loss(meta_gradient), parameters, tasks)
    assert gradients.keys() == parameters.keys()
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())
    for mode in ("threads", "vmap"):
        task_map = TaskMap(learner, mode, CHUNK, workers=2)
        other_value, other = task_map.mean_gradient(meta_loss(meta_gradient), parameters, tasks)
        torch.testing.assert_close(other_value, value)
        for name, gradient in gradients.items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-7, atol=1e-10, msg=f"{mode}: {name}")


@pytest.mark.parametrize("mode", MODES)
def test_the_mean_over_tasks_is_that_of_single_tasks(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks, mode: str
) -> None:
    learner = make_learner()
    parameters, tasks = make_parameters(learner), make_tasks(3)
    task_map = TaskMap(learner, mode, CHUNK, workers=2)
    value, gradients = task_map.mean_gradient(meta_loss("maml"), parameters, tasks)
    alone = [
        task_map.mean_gradient(meta_loss("maml"), parameters, {name: part[i : i + 1] for name, part in tasks.items()})
        for i in range(3)
    ]
    torch.testing.assert_close(value, sum(part for part, _ in alone) / 3)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, sum(part[name] for _, part in alone) / 3)


@pytest.mark.parametrize("create_graph", [False, True])
def test_results_agree_keep_the_order_of_tasks_and_hold_no_graph(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks, create_graph: bool
) -> None:
    learner = make_learner(r1=0.5)
    parameters, tasks = make_parameters(learner), make_tasks(N_TASKS)

    def samples(of: GanLearner, given: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        *_, (adapted, _) = adapt(of, rules_of(given), given, task, 2, differentiate, create_graph)
        return of.generate(adapted, task["outer_noise"])

    made = {mode: TaskMap(learner, mode, CHUNK, workers=2).results(samples, parameters, tasks) for mode in MODES}
    assert made["loop"].shape == (N_TASKS, *tasks["query"].shape[1:])
    assert not any(images.requires_grad for images in made.values())
    assert not torch.allclose(made["loop"][0], made["loop"][1])
    for mode in MODES:
        torch.testing.assert_close(made[mode], made["loop"])


def test_threads_equal_the_loop_to_the_bit(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    learner = make_learner(r1=0.5)
    parameters, tasks = make_parameters(learner), make_tasks(N_TASKS)
    (value, gradients), (other_value, other) = (
        TaskMap(learner, mode, CHUNK, workers=3).mean_gradient(meta_loss("maml"), parameters, tasks)
        for mode in ("loop", "threads")
    )
    assert torch.equal(value, other_value)
    assert all(torch.equal(gradient, other[name]) for name, gradient in gradients.items())


def test_each_thread_has_a_learner_of_its_own(make_learner: MakeLearner, make_tasks: MakeTasks) -> None:
    """Parameters are swapped inside modules, so two threads in one module would mix their tasks up."""
    learner, together, seen = make_learner(), threading.Barrier(2, timeout=10), []

    def work(own: GanLearner, given: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        together.wait()  # both threads are inside at once
        seen.append((own.generator, own.discriminator))
        return torch.zeros(())

    TaskMap(learner, "threads", CHUNK, workers=2).results(work, {}, make_tasks(2))
    (first, first_critic), (second, second_critic) = seen
    assert len({id(module) for module in (first, second, learner.generator)}) == 3
    assert len({id(module) for module in (first_critic, second_critic, learner.discriminator)}) == 3


def test_a_failing_task_leaves_the_threads_usable(make_learner: MakeLearner, make_tasks: MakeTasks) -> None:
    task_map, tasks = TaskMap(make_learner(), "threads", CHUNK, workers=2), make_tasks(4)

    def fail(own: GanLearner, given: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        raise ArithmeticError("a task failed")

    def succeed(own: GanLearner, given: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        return task["support"].sum()

    n_threads = torch.get_num_threads()
    for _ in range(2):  # a learner lost with each failure would leave the next round waiting for ever
        with pytest.raises(ArithmeticError, match="a task failed"):
            task_map.results(fail, {}, tasks)
    torch.testing.assert_close(task_map.results(succeed, {}, tasks), tasks["support"].flatten(1).sum(1))
    assert torch.get_num_threads() == n_threads


def test_a_single_task_has_all_intra_op_threads(make_learner: MakeLearner, make_tasks: MakeTasks) -> None:
    seen, before = [], torch.get_num_threads()

    def work(own: GanLearner, given: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        seen.append(torch.get_num_threads())
        return torch.zeros(())

    task_map = TaskMap(make_learner(), "threads", CHUNK, workers=2)
    torch.set_num_threads(2)
    try:
        for count in (1, 2):
            task_map.results(work, {}, make_tasks(count))
    finally:
        torch.set_num_threads(before)
    assert seen == [2, 1, 1]


@pytest.mark.parametrize(("device", "mode"), [("cpu", "threads"), ("cuda", "vmap")])
def test_auto_depends_on_the_device_alone(device: str, mode: str) -> None:
    assert resolve("auto", torch.device(device)) == mode
    assert resolve("loop", torch.device(device)) == "loop"
