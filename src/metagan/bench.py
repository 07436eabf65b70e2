"""`make bench`: how fast a meta-step is, beside `higher` and `torchopt`, and how much memory it takes."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypedDict, TypeVar

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Column, Table
from torch import Tensor, nn

from metagan.bench_data import architecture, embedder, random_tasks
from metagan.bench_load import AS_GOOD_AS_IDLE, OtherWork
from metagan.bench_rules import STEPS, TASKS, UNROLLED, inner_steps_by, long_unroll
from metagan.configuration import read_parameters
from metagan.errors import UserError
from metagan.files import replaced
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.learners.classifier import PREFIX, ClassifierLearner
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.task_parallel import TaskFunction, TaskMap, resolve
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, shared_rule
from metagan.nets.conv4 import Conv4
from metagan.nets.randomness import seeded
from metagan.nets.threads import intra_op_threads
from metagan.parameters import RunSettings, validate
from metagan.training.gan import initial_gan

RESULT = Path("data/08_reporting/bench.json")
CPU = torch.device("cpu")
MODES = ("threads", "vmap", "loop")
MAML_REPEATS, GAN_REPEATS = 7, 5
TOLERANCE = 1e-7
"""Largest difference of two right gradients, as a share of the largest entry: float64, but for the inner rate."""

Step = Callable[[], object]
Result = TypeVar("Result")
Case = TypeVar("Case", bound=Hashable)


class MamlSeconds(TypedDict):
    """Median seconds of a MAML step, and how well its gradients agree with the loop's."""

    metagan: float
    loop: float
    higher: float
    torchopt: float
    ratio_to_fastest_peer: float
    max_gradient_difference: float


class Bench(TypedDict):
    """What `data/08_reporting/bench.json` holds; `gan_step` by meta-gradient and mode, `threads` by their number.

    `rule_steps`: some inner steps by each update rule. The memory of an unroll is that of a fresh process.
    `cores_of_other_work`: how many cores other processes kept busy meanwhile, which makes all figures too high.
    """

    maml_step: MamlSeconds
    maml_step_on_one_thread: dict[str, float]
    gan_step: dict[str, dict[str, float]]
    threads: dict[str, float]
    rule_steps: dict[str, float]
    peak_memory_mib: float
    peak_memory_of_unroll_mib: float
    cores_of_other_work: float


class TorchConv4(nn.Module):
    """Conv4 with stride 2 of torch's own layers; its parameters have the same names."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        inputs = [1, width, width, width]
        self.convolutions = nn.ModuleList(nn.Conv2d(size, width, 3, 2, padding=1, bias=False) for size in inputs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, track_running_stats=False) for _ in inputs)
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = norm(convolution(images)).relu()
        return self.head(images.mean((2, 3)))


@dataclass(frozen=True)
class MamlProblem:
    """One inner step of MAML (Finn et al. 2017, algorithm 1) with Conv4, and a batch of tasks of random pixels."""

    network: Conv4
    tasks: TaskTensors
    rate: float = 0.4

    @property
    def count(self) -> int:
        return len(self.tasks["support"])

    def inner_loss(self, network: Callable[[Tensor], Tensor], index: int) -> Tensor:
        return F.cross_entropy(network(self.tasks["support"][index]), self.tasks["support_labels"][index])

    def outer_loss(self, network: Callable[[Tensor], Tensor], index: int) -> Tensor:
        """The task's share of the mean."""
        return F.cross_entropy(network(self.tasks["query"][index]), self.tasks["query_labels"][index]) / self.count

    def peer_network(self) -> TorchConv4:
        """The same network of torch's own layers, as users of other libraries have it."""
        head = self.network.head
        network = TorchConv4(head.in_features, head.out_features).to(head.weight.dtype)
        network.load_state_dict(self.network.state_dict())
        return network

    def in_double_precision(self) -> MamlProblem:
        """The same problem in float64, where rounding does not decide on which side of a ReLU a pixel lies."""
        tasks = {name: value.double() if value.is_floating_point() else value for name, value in self.tasks.items()}
        return replace(self, network=deepcopy(self.network).double(), tasks=tasks)


def maml_problem(count: int = 32, width: int = 64, n_way: int = 5, k_shot: int = 1, n_query: int = 15) -> MamlProblem:
    """5-way 1-shot with 15 query images per class, 28x28, always the same."""
    generator = torch.Generator().manual_seed(0)
    with seeded(0):
        network = Conv4(channels=1, width=width, image_size=28, outputs=n_way)
    labels = torch.arange(n_way)
    return MamlProblem(
        network,
        {
            "support": torch.rand(count, n_way * k_shot, 1, 28, 28, generator=generator),
            "support_labels": labels.repeat_interleave(k_shot).expand(count, -1),
            "query": torch.rand(count, n_way * n_query, 1, 28, 28, generator=generator),
            "query_labels": labels.repeat_interleave(n_query).expand(count, -1),
        },
    )


def maml_parts(problem: MamlProblem, mode: str, workers: int | None = None) -> tuple[TaskMap, TaskFunction, Parameters]:
    """What the step by this package consists of: where tasks are mapped, a task's loss, and the meta-parameters."""
    networks = {PREFIX + name: value.detach() for name, value in problem.network.named_parameters()}
    rules = shared_rule(UPDATE_RULES["sgd"], networks)
    meta_parameters = {**networks, **initialised(rules, networks, dict.fromkeys(networks, problem.rate), 1)}
    task_map = TaskMap(ClassifierLearner(problem.network), resolve(mode, CPU), problem.count, workers)
    return task_map, task_loss("maml", rules, [1.0]), meta_parameters


def metagan_step(problem: MamlProblem, mode: str, workers: int | None = None) -> Callable[[], Parameters]:
    """The step by this package."""
    task_map, loss, meta_parameters = maml_parts(problem, mode, workers)

    def step() -> Parameters:
        _, gradients = task_map.mean_gradient(loss, meta_parameters, problem.tasks)
        return {name: value for name, value in gradients.items() if name.startswith(PREFIX)}

    return step


def higher_step(problem: MamlProblem) -> Callable[[], Parameters]:
    """The step as the documentation of `higher` writes it."""
    import higher

    network = problem.peer_network()
    optimiser = torch.optim.SGD(network.parameters(), problem.rate)

    def step() -> Parameters:
        network.zero_grad()
        for index in range(problem.count):
            with higher.innerloop_ctx(network, optimiser, copy_initial_weights=False, track_higher_grads=True) as (
                adapted,
                inner,
            ):
                inner.step(problem.inner_loss(adapted, index))
                problem.outer_loss(adapted, index).backward()
        return gradients_of(network)

    return step


def torchopt_step(problem: MamlProblem) -> Callable[[], Parameters]:
    """The step as the documentation of `torchopt` writes it."""
    import torchopt

    network = problem.peer_network()
    inner = torchopt.MetaSGD(network, lr=problem.rate)

    def step() -> Parameters:
        network.zero_grad()
        start = torchopt.extract_state_dict(network, by="reference")
        fresh = torchopt.extract_state_dict(inner, by="reference")
        for index in range(problem.count):
            inner.step(problem.inner_loss(network, index))
            problem.outer_loss(network, index).backward()
            torchopt.recover_state_dict(network, start)
            torchopt.recover_state_dict(inner, fresh)
        return gradients_of(network)

    return step


def gradients_of(network: nn.Module) -> Parameters:
    """What `backward` has left behind."""
    return {PREFIX + name: value.grad for name, value in network.named_parameters()}


PEERS = {"higher": higher_step, "torchopt": torchopt_step}


def task_loss(meta_gradient: str, rules: Rules, weights: Sequence[float]) -> TaskFunction:
    """The named meta-gradient as `TaskMap.mean_gradient` takes it."""

    def loss(learner: Learner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        return META_GRADIENTS[meta_gradient](learner, rules, parameters, task, weights, differentiate)

    return loss


def gan_step(settings: RunSettings, meta_gradient: str, mode: str) -> Step:
    """One GAN meta-step on tasks of random pixels; Reptile learns no rates and takes the fixed ones."""
    training = settings.meta_train
    inner = training.inner
    gan = initial_gan(architecture(settings), inner, settings.seed)
    if meta_gradient == "reptile":
        gan = gan.with_first_rules(update_rule="sgd")
    tasks = random_tasks(settings, inner.steps, training.tasks_per_step)
    task_map = TaskMap(gan.learner(training, embedder(settings)), resolve(mode, CPU), training.vmap_chunk)
    loss = task_loss(meta_gradient, gan.rules, [1.0] * inner.steps)
    return lambda: task_map.mean_gradient(loss, gan.parameters, tasks)


def with_intra_op_threads(number: int, step: Callable[[], Result]) -> Callable[[], Result]:
    """The step with that many of torch's threads inside each operation."""

    def limited() -> Result:
        with intra_op_threads(number):
            return step()

    return limited


def medians(cases: Mapping[Case, Step], repeats: int) -> dict[Case, float]:
    """Median seconds of each case; after a warm-up the cases take turns, so that a busy machine slows all alike."""
    seconds: dict[Case, list[float]] = {name: [] for name in cases}
    for step in cases.values():
        step()
    for _ in range(repeats):
        for name, step in cases.items():
            start = perf_counter()
            step()
            seconds[name].append(perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def measure_maml(problem: MamlProblem, repeats: int) -> tuple[MamlSeconds, dict[str, float], dict[str, float]]:
    """The MAML step of this package and its peers, of all on one thread, and of this package by number of workers.

    The loop and the peers run with torch's own number of threads and with one; the faster of the two counts.
    Raises ArithmeticError when gradients differ by more than rounding.
    """
    cores = os.cpu_count() or 1
    ours = {workers: metagan_step(problem, "auto", workers) for workers in sorted({1, 2, cores})}
    others = loop_and_peers(problem)
    precise = problem.in_double_precision()
    difference = gradient_difference({"metagan": metagan_step(precise, "auto", cores), **loop_and_peers(precise)})
    cases: dict[tuple[str, int], Step] = {("metagan", workers): step for workers, step in ours.items()}
    for name, step in others.items():
        for number in {1, torch.get_num_threads()}:
            cases[name, number] = with_intra_op_threads(number, step)
    seconds = medians(cases, repeats)
    fastest = {name: min(value for case, value in seconds.items() if case[0] == name) for name in others}
    metagan = seconds["metagan", cores]
    result = MamlSeconds(
        metagan=metagan,
        loop=fastest["loop"],
        higher=fastest["higher"],
        torchopt=fastest["torchopt"],
        ratio_to_fastest_peer=min(fastest[name] for name in PEERS) / metagan,
        max_gradient_difference=difference,
    )
    on_one_thread = {name: seconds[name, 1] for name in ("metagan", *others)}
    return result, on_one_thread, {str(workers): seconds["metagan", workers] for workers in ours}


def loop_and_peers(problem: MamlProblem) -> dict[str, Callable[[], Parameters]]:
    """The steps that this package is compared with."""
    return {"loop": metagan_step(problem, "loop"), **{name: peer(problem) for name, peer in PEERS.items()}}


def gradient_difference(steps: Mapping[str, Callable[[], Parameters]]) -> float:
    """Largest absolute difference of any step's gradients from those of `loop`, with one thread inside operations."""
    gradients = {name: with_intra_op_threads(1, step)() for name, step in steps.items()}
    reference = gradients["loop"]
    scale = max(value.abs().max().item() for value in reference.values())
    largest = 0.0
    for case, found in gradients.items():
        difference = max((found[name] - value).abs().max().item() for name, value in reference.items())
        if not difference <= TOLERANCE * scale:
            raise ArithmeticError(f"the gradients of {case} differ from the loop's by {difference:.1e} of {scale:.1e}")
        largest = max(largest, difference)
    return largest


def measure_gan(settings: RunSettings, repeats: int) -> dict[str, dict[str, float]]:
    """Seconds of a GAN meta-step by meta-gradient and mode."""
    cases = {(name, mode): gan_step(settings, name, mode) for name in META_GRADIENTS for mode in MODES}
    seconds = medians(cases, repeats)
    return {name: {mode: seconds[name, mode] for mode in MODES} for name in META_GRADIENTS}


def measure_rules(settings: RunSettings, repeats: int) -> dict[str, float]:
    """Seconds of some inner steps by each update rule."""
    return medians({rule: inner_steps_by(settings, rule) for rule in UPDATE_RULES}, repeats)


def peak_memory_mib(settings: RunSettings, work: Callable[[RunSettings], Step]) -> float:
    """Peak memory of a fresh process that does some work three times.

    To be measured before anything else: on Linux a process inherits the peak of the one that started it.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(own_peak_memory_mib, settings, work).result()


def default_gan_step(settings: RunSettings) -> Step:
    """The GAN meta-step as it is set."""
    return gan_step(settings, settings.meta_train.meta_gradient, settings.meta_train.task_parallel)


def own_peak_memory_mib(settings: RunSettings, work: Callable[[RunSettings], Step]) -> float:
    """Peak memory of this process so far, after doing the work three times."""
    step = work(settings)
    for _ in range(3):
        step()
    units_per_mib = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_mib


def default_settings(project: Path) -> RunSettings:
    """The parameters of conf/base. Raises UserError when the folder is no metagan project."""
    if not (project / "conf" / "base").is_dir():
        raise UserError(f"{project}: no conf/base here; run the benchmark in the folder of the project")
    return validate(read_parameters(project / "conf", "base"))


def table(bench: Bench) -> Table:
    """The results for a terminal: median seconds, and how many times those of the fastest way of the same work."""
    maml = bench["maml_step"]
    groups = {
        "MAML step": {way: maml[way] for way in ("metagan", "loop", *PEERS)},
        "MAML step, one thread": bench["maml_step_on_one_thread"],
        "MAML step by threads": bench["threads"],
        **{f"GAN meta-step, {name}": row for name, row in bench["gan_step"].items()},
        f"{STEPS} inner steps, {TASKS} tasks": bench["rule_steps"],
    }
    shown = Table("", "", Column("seconds", justify="right"), Column("x fastest", justify="right"))
    for work, ways in groups.items():
        fastest = min(ways.values())
        for index, (way, seconds) in enumerate(ways.items()):
            shown.add_row("" if index else work, way, f"{seconds:.3f}", f"{seconds / fastest:.2f}")
        shown.add_section()
    return shown


def write(bench: Bench, path: Path) -> None:
    """Write the results as JSON, whole or not at all."""
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(bench, indent=2) + "\n", encoding="utf-8")


def main(project: Path) -> None:
    """Measure, print and write; SystemExit with one line when the peers are missing."""
    missing = [name for name in PEERS if find_spec(name) is None]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} not installed: the bench extra brings them (pip install '.[bench]')")
    settings = default_settings(project)
    console = Console()
    with console.status("peak memory") as status:
        memory, of_unroll = (peak_memory_mib(settings, work) for work in (default_gan_step, long_unroll))
        status.update("MAML step")
        other_work = OtherWork()
        maml, on_one_thread, threads = measure_maml(maml_problem(), MAML_REPEATS)
        status.update("GAN meta-step")
        gan = measure_gan(settings, GAN_REPEATS)
        status.update("update rules")
        rules = measure_rules(settings, GAN_REPEATS)
    bench = Bench(
        maml_step=maml,
        maml_step_on_one_thread=on_one_thread,
        gan_step=gan,
        threads=threads,
        rule_steps=rules,
        peak_memory_mib=round(memory, 1),
        peak_memory_of_unroll_mib=round(of_unroll, 1),
        cores_of_other_work=round(other_work.cores(), 2),
    )
    write(bench, project / RESULT)
    console.print("MAML step: 5-way 1-shot, 15 queries per class, 1 inner step, 32 tasks, Conv4")
    console.print(table(bench))
    peers = " and ".join(PEERS)
    per_thread = min(on_one_thread[name] for name in PEERS) / on_one_thread["metagan"]
    console.print(f"{maml['ratio_to_fastest_peer']:.2f} times as fast as the faster of {peers}")
    console.print(f"{per_thread:.2f} times as fast on one thread")
    console.print(f"gradients differ by at most {maml['max_gradient_difference']:.1e}")
    console.print(f"peak memory of the default meta-step: {memory:.0f} MiB")
    console.print(f"peak memory of a learned rule's unroll of {UNROLLED} steps: {of_unroll:.0f} MiB")
    if bench["cores_of_other_work"] > AS_GOOD_AS_IDLE:
        console.print(f"other work kept {bench['cores_of_other_work']} cores busy: time it again on an idle machine")
    console.print(f"written to {RESULT}")


if __name__ == "__main__":
    try:
        main(Path.cwd())
    except (UserError, ArithmeticError) as error:
        raise SystemExit(str(error)) from None
