"""`make gpu-check`: whether an accelerator computes what the CPU does, and how fast it is; without Kedro and MLflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metagan.bench import MamlProblem, default_settings, higher_step, maml_parts, maml_problem, medians, task_loss
from metagan.bench_data import architecture, embedder, random_tasks
from metagan.errors import UserError
from metagan.files import replaced
from metagan.losses.attacks import perturb, pgd
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.classifier import PREFIX
from metagan.meta.task_parallel import TaskMap
from metagan.nets.randomness import seeded
from metagan.parameters import RunSettings
from metagan.training.gan import initial_gan

RESULT = Path("data/08_reporting/gpu.json")
COUNTS = (8, 32, 128, 256)
REPEATS = 5
TOLERANCE = 1e-6
"""Largest difference of what is computed in float64, as a share of the largest number."""
COMPILED_TOLERANCE = 1e-3
"""The same of what is computed in float32."""
TRAINING_STEPS, TRAINING_RATE, FALL = 30, 0.1, 0.95
"""Of a short training, whose last loss is to be at most so much of its first."""

CPU = torch.device("cpu")
Compute = Callable[[], Parameters]


class Seconds(TypedDict):
    """Median seconds of a meta-step of so many tasks, by way of doing it, and what became of the others."""

    tasks: int
    seconds: dict[str, float]
    missing: dict[str, str]


def moved(values: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """Numbers on a device and in a precision, labels on the device."""
    return {name: value.to(device, dtype if value.is_floating_point() else None) for name, value in values.items()}


def maml_on(device: torch.device, count: int, dtype: torch.dtype = torch.float32) -> MamlProblem:
    """The problem of `make bench`, with so many tasks."""
    problem = maml_problem(count)
    return replace(problem, network=problem.network.to(device, dtype), tasks=moved(problem.tasks, device, dtype))


def maml_step(problem: MamlProblem, mode: str = "vmap") -> Compute:
    """Its meta-gradient, where the problem is."""
    with problem.tasks["query"].device:  # rates are made there
        task_map, loss, parameters = maml_parts(problem, mode)
    return lambda: task_map.mean_gradient(loss, parameters, problem.tasks)[1]


def gan_step(settings: RunSettings, count: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Compute:
    """The meta-gradient of the GAN as it is set, with tasks of random pixels, by `vmap`."""
    training = settings.meta_train
    with seeded(settings.seed):
        gan, embed = initial_gan(architecture(settings), training.inner, settings.seed), embedder(settings)
        tasks = moved(random_tasks(settings, training.inner.steps, count), device, dtype)
    learner = gan.learner(training, embed)
    for network in (learner.generator, learner.discriminator, learner.encoder, learner.critic, embed):
        if isinstance(network, nn.Module):
            network.to(device, dtype)
    parameters = moved(gan.parameters, device, dtype)
    task_map = TaskMap(learner, "vmap", training.vmap_chunk)
    loss = task_loss(training.meta_gradient, gan.rules, [1.0] * training.inner.steps)
    return lambda: task_map.mean_gradient(loss, parameters, tasks)[1]


def attacked(problem: MamlProblem) -> Compute:
    """Query images of the first task after ten steps of projected gradient descent."""
    images, labels = problem.tasks["query"][0], problem.tasks["query_labels"][0]
    start = torch.rand(images.shape, generator=torch.Generator().manual_seed(1)).to(images) * 2 - 1

    def loss(images: Tensor) -> Tensor:
        return F.cross_entropy(problem.network(images), labels)

    return lambda: {"images": perturb(loss, images, pgd("linf", 0.1, 10), start)}


def difference(found: Parameters, expected: Parameters) -> float:
    """The largest, as a share of the largest number that is expected."""
    scale = max(value.abs().max().item() for value in expected.values())
    return max((found[name].to(CPU) - value.to(CPU)).abs().max().item() for name, value in expected.items()) / scale


def agreement(settings: RunSettings, device: torch.device, count: int = 4) -> dict[str, float]:
    """By how much device and CPU differ, in float64. Raises ArithmeticError where it is more than rounding."""
    computed: dict[str, Callable[[torch.device], Compute]] = {
        "maml_step": lambda place: maml_step(maml_on(place, count, torch.float64)),
        "gan_step": lambda place: gan_step(settings, count, place, torch.float64),
        "attack": lambda place: attacked(maml_on(place, 1, torch.float64)),
    }
    differences = {name: difference(make(device)(), make(CPU)()) for name, make in computed.items()}
    for name, found in differences.items():
        if not found <= TOLERANCE:
            raise ArithmeticError(f"{name}: {device} and CPU differ by {found:.1e} of the largest number")
    return differences


def compiled(problem: MamlProblem) -> Compute:
    """The MAML step by `torch.compile`. Raises ArithmeticError where its gradients are others."""
    plain = maml_step(problem)
    step: Compute = torch.compile(plain)
    if not (found := difference(step(), plain())) <= COMPILED_TOLERANCE:
        raise ArithmeticError(f"gradients differ by {found:.1e} of the largest")
    return step


def timed(ways: Mapping[str, Callable[[], Compute]], count: int, device: torch.device, repeats: int) -> Seconds:
    """Each way is made and tried once; one that cannot be is told, and left out."""
    cases: dict[str, Callable[[], object]] = {}
    missing = {}

    def waited_for(step: Compute) -> Callable[[], None]:
        def whole() -> None:
            step()
            if device.type != "cpu":
                torch.accelerator.synchronize(device)

        return whole

    for name, make in ways.items():
        try:
            step = waited_for(make())
            step()
        except Exception as error:  # a compiler raises what it likes, and what it was goes into the result
            missing[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        else:
            cases[name] = step
    return Seconds(tasks=count, seconds=medians(cases, repeats), missing=missing)


def speed(settings: RunSettings, device: torch.device, counts: Sequence[int], repeats: int) -> list[Seconds]:
    """Meta-steps in float32, by this package, by a loop over the tasks, by `higher`, and by `torch.compile`."""
    rows = []
    for count in counts:
        problem = maml_on(device, count)
        ways: dict[str, Callable[[], Compute]] = {
            "gan": lambda count=count: gan_step(settings, count, device),
            "maml": lambda problem=problem: maml_step(problem),
            "maml, loop": lambda problem=problem: maml_step(problem, "loop"),
            "maml, torch.compile": lambda problem=problem: compiled(problem),
        }
        if find_spec("higher") is not None:
            ways["maml, higher"] = lambda problem=problem: higher_step(problem)
        rows.append(timed(ways, count, device, repeats))
    return rows


def training(device: torch.device, steps: int = TRAINING_STEPS) -> list[float]:
    """Outer losses of MAML on the same eight tasks. Raises ArithmeticError when they do not fall."""
    problem, losses = maml_on(device, 8), []
    with device:
        task_map, loss, parameters = maml_parts(problem, "vmap")
    for _ in range(steps):
        value, gradients = task_map.mean_gradient(loss, parameters, problem.tasks)
        moves = {name: TRAINING_RATE * gradient for name, gradient in gradients.items() if name.startswith(PREFIX)}
        parameters = {**parameters, **{name: parameters[name] - move for name, move in moves.items()}}
        losses.append(value.item())
    if not losses[-1] < FALL * losses[0]:
        raise ArithmeticError(f"training: the outer loss went from {losses[0]:.3f} to {losses[-1]:.3f}")
    return losses


def main(project: Path) -> None:
    """Check, measure, print and write. Raises UserError where there is no accelerator."""
    device = torch.accelerator.current_accelerator(check_available=True)
    if device is None:
        raise UserError("gpu-check: torch sees no accelerator here")
    settings = default_settings(project)
    losses = training(device)
    result = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else str(device),
        "torch": torch.__version__,
        "agreement": agreement(settings, device),
        "training": {"steps": len(losses), "first_loss": losses[0], "last_loss": losses[-1]},
        "meta_steps": speed(settings, device, COUNTS, REPEATS),
        "meta_steps_on_cpu": speed(settings, CPU, COUNTS[:2], 1),
    }
    with replaced(project / RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    print(f"written to {RESULT}")


if __name__ == "__main__":
    try:
        main(Path.cwd())
    except (UserError, ArithmeticError) as error:
        raise SystemExit(str(error)) from None
