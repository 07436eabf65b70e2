"""Retreat: what the outer loop does when the score on the val classes falls, in one process and in two."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch.multiprocessing import ProcessRaisedException

from metagan.errors import UserError
from metagan.meta.learners import TaskTensors
from metagan.meta.task_parallel import TaskFunction
from metagan.parameters import ClassifierSettings, Trainer
from metagan.training import checkpoints, outer_loop
from metagan.training.fitting import fit
from metagan.training.outer_loop import PROGRESS, OuterLoop, Row, best_average

RATE = 0.01
SCORES = (0.5, 0.9, 0.8, 0.6, 0.8, 0.85, 0.3, 0.88)  # looks after each of the steps 1 to 8
RETREATS = (0, 0, 0, 1, 1, 1, 2, 2)  # a fall of more than 0.15 from 0.9 at steps 4 and 7
NAME = "classifier.weight"


class Toy(OuterLoop):
    """Two weights that run after targets; the scores are written down beforehand."""

    def __init__(
        self,
        settings: ClassifierSettings,
        scores: Sequence[float] = SCORES,
        stop_at: int | None = None,
        stop_in: int | None = None,
    ) -> None:
        super().__init__(None, {}, {NAME: torch.tensor([1.0, 2.0])}, settings)  # type: ignore[arg-type]
        self.scores, self.stop_at, self.stop_in = scores, stop_at, stop_in
        self.before_steps: dict[int, list[torch.Tensor]] = {}
        self.looked_at: dict[int, torch.Tensor] = {}

    def train_tasks(self, indices: range) -> TaskTensors:
        """Both tasks of a meta-step are the same, so that each process has one."""
        return {"support": torch.tensor([[5.0 + index // 2, -7.0] for index in indices])}

    def task_loss(self) -> TaskFunction:
        if self.meta_step + 1 == self.stop_in:
            raise InterruptedError("stopped by the test")
        weights = (self.meta_parameters()[NAME], self.meta_parameters(averaged=True)[NAME])
        self.before_steps[self.meta_step + 1] = [value.detach().clone() for value in weights]
        return lambda learner, parameters, task, differentiate: (parameters[NAME] - task["support"]).square().sum()

    def measure(self) -> Row:
        if self.meta_step == self.stop_at:
            raise InterruptedError("stopped by the test")
        self.looked_at[self.meta_step] = self.meta_parameters(averaged=True)[NAME].detach().clone()
        return {"val/score": self.scores[self.meta_step - 1]}


@pytest.fixture
def settings() -> ClassifierSettings:
    return ClassifierSettings(
        meta_steps=8,
        validate_every=1,
        learning_rate=RATE,
        retreat_margin=0.15,
        decay_from=0.99,
        ema_decay=0.5,
        clip_gradient_norm=1e6,
        tasks_per_step=2,
        task_parallel="loop",
    )


def run(module: Toy, folder: Path) -> Toy:
    fit(module, folder, None, Trainer(), module.settings.validate_every)
    return module


@pytest.fixture
def toy(settings: ClassifierSettings, tmp_path: Path) -> Toy:
    return run(Toy(settings), tmp_path / "whole")


def test_only_a_fall_by_more_than_the_margin_is_a_retreat(toy: Toy) -> None:
    assert [row["retreats"] for row in toy.history] == list(RETREATS)


def test_a_retreat_goes_back_to_the_best_averages(toy: Toy) -> None:
    best = toy.looked_at[2]
    for step in (5, 8):
        weights, average = toy.before_steps[step]
        assert torch.equal(weights, best)
        assert torch.equal(average, best)
    for step in (3, 4, 6, 7):
        assert not torch.equal(toy.before_steps[step][0], best)


def test_it_goes_on_at_half_the_rates_with_an_optimiser_that_starts_anew(toy: Toy) -> None:
    """The first step of Adam is as long as its rate in each weight, whatever the gradient."""
    for step, following, factor in ((1, 2, 1.0), (5, 6, 0.5)):
        moved = toy.before_steps[following][0] - toy.before_steps[step][0]
        torch.testing.assert_close(moved, torch.tensor([1.0, -1.0]) * RATE * factor, rtol=1e-3, atol=1e-7)
    last = toy.meta_parameters()[NAME].detach() - toy.before_steps[8][0]
    decayed = toy._decay(7 / 8)
    torch.testing.assert_close(last, torch.tensor([1.0, -1.0]) * RATE * 0.25 * decayed, rtol=1e-3, atol=1e-7)


def test_the_best_averages_are_handed_over(toy: Toy) -> None:
    state, meta_step = best_average(toy)
    assert meta_step == 2
    assert torch.equal(state[NAME], toy.looked_at[2])


def test_without_a_fall_nothing_is_changed(settings: ClassifierSettings, tmp_path: Path) -> None:
    """An equal score is neither better nor a fall."""
    toy = run(Toy(settings, scores=[0.5] * 8), tmp_path)
    assert [row["retreats"] for row in toy.history] == [0] * 8
    _, meta_step = best_average(toy)
    assert meta_step == 1


def assert_goes_on(again: Toy, whole: Toy, first_step: int) -> None:
    """Those steps are done again, none before them, and everything is as if nothing had happened."""
    assert min(again.before_steps) == first_step
    for step, weights in again.before_steps.items():
        assert all(torch.equal(*pair) for pair in zip(weights, whole.before_steps[step], strict=True)), step
    assert torch.equal(again.meta_parameters()[NAME], whole.meta_parameters()[NAME])

    def untimed(module: Toy) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in module.history]

    assert untimed(again) == untimed(whole)
    best, expected = best_average(again), best_average(whole)
    assert torch.equal(best[0][NAME], expected[0][NAME])
    assert best[1] == expected[1]


@pytest.mark.parametrize("stop_at", [4, 5, 7])
def test_a_retreat_survives_an_interruption(
    settings: ClassifierSettings, tmp_path: Path, toy: Toy, stop_at: int
) -> None:
    """Stopped before the first retreat is decided on, right after it, and before the second."""
    with pytest.raises(InterruptedError):
        run(Toy(settings, stop_at=stop_at), tmp_path / "stopped")
    assert_goes_on(run(Toy(settings), tmp_path / "stopped"), toy, stop_at)


@pytest.mark.parametrize("stop_in", range(1, 9))
def test_between_two_looks_a_training_is_kept_as_well(
    settings: ClassifierSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_in: int
) -> None:
    """Looks after the steps 3, 6 and 8, and a checkpoint after every other step."""
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0)
    settings = settings.model_copy(update={"validate_every": 3})
    whole = run(Toy(settings), tmp_path / "whole")
    with pytest.raises(InterruptedError):
        run(Toy(settings, stop_in=stop_in), tmp_path / "stopped")
    assert_goes_on(run(Toy(settings), tmp_path / "stopped"), whole, stop_in)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_named_and_the_one_before_is_used(
    settings: ClassifierSettings, tmp_path: Path, toy: Toy, caplog: pytest.LogCaptureFixture, kept: float
) -> None:
    with pytest.raises(InterruptedError):
        run(Toy(settings, stop_in=6), tmp_path / "stopped")
    truncate(tmp_path / "stopped" / "last.ckpt", kept)
    assert_goes_on(run(Toy(settings), tmp_path / "stopped"), toy, 5)
    assert warnings(caplog) == [f"{tmp_path / 'stopped' / 'last.ckpt'} is damaged and is not used"]


def test_without_a_whole_checkpoint_training_starts_again(
    settings: ClassifierSettings, tmp_path: Path, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InterruptedError):
        run(Toy(settings, stop_in=6), tmp_path / "stopped")
    for name in ("last.ckpt", "previous.ckpt"):
        truncate(tmp_path / "stopped" / name, 0.5)
    assert_goes_on(run(Toy(settings), tmp_path / "stopped"), toy, 1)
    assert warnings(caplog)[-1] == f"{tmp_path / 'stopped'} holds no whole checkpoint: training from the start"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def truncate(path: Path, kept: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])


def test_the_end_of_training_is_looked_at_wherever_it_falls(settings: ClassifierSettings, tmp_path: Path) -> None:
    toy = run(Toy(settings.model_copy(update={"meta_steps": 5, "validate_every": 3})), tmp_path)
    assert [row["meta_step"] for row in toy.history] == [3, 5]


def test_a_training_without_any_look_says_so(settings: ClassifierSettings) -> None:
    with pytest.raises(ValueError, match=r"^classifier\.validate_every: 1 is more than the 0 meta-steps"):
        best_average(Toy(settings))


class Timed(Toy):
    """A meta-step takes one second of the clock of the test, and a look at the val classes a hundred."""

    now = 0.0

    def task_loss(self) -> TaskFunction:
        Timed.now += 1
        return super().task_loss()

    def measure(self) -> Row:
        Timed.now += 100
        return {"val/score": 0.5}


@pytest.mark.parametrize("validate_every", [1, 2])
def test_looks_take_none_of_the_minutes(
    settings: ClassifierSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validate_every: int
) -> None:
    """Also in a training that goes on after an interruption."""
    monkeypatch.setattr(outer_loop, "perf_counter", lambda: Timed.now)
    timed = settings.model_copy(update={"meta_steps": None, "minutes": 0.1, "validate_every": validate_every})
    with pytest.raises(InterruptedError):
        run(Timed(timed, stop_in=4), tmp_path)
    module = run(Timed(timed), tmp_path)
    assert (module.meta_step, module.seconds) == (6, 6.0)
    assert [row["seconds"] for row in module.history] == list(range(validate_every, 7, validate_every))


class Recording(Toy):
    """Notes the threads that work on its tasks."""

    threads: set[str]

    def task_loss(self) -> TaskFunction:
        loss = super().task_loss()
        self.threads = set()

        def noted(*arguments: Any) -> torch.Tensor:
            self.threads.add(threading.current_thread().name.partition("_")[0])
            return loss(*arguments)

        return noted


def test_auto_works_on_tasks_by_threads_on_a_cpu_and_says_so(
    settings: ClassifierSettings, tmp_path: Path, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    """With a rule that learns nothing too, and to the bits of the loop."""
    caplog.set_level("INFO", "metagan")
    module = run(Recording(settings.model_copy(update={"task_parallel": "auto"})), tmp_path / "auto")
    assert module.threads == {"task"}
    assert "classifier: 2 tasks a meta-step, by threads" in caplog.messages
    assert torch.equal(module.meta_parameters()[NAME], toy.meta_parameters()[NAME])


class InTwo(Toy):
    """Toy in two processes, which note what they end with; a NaN comes up in the second alone."""

    def __init__(self, settings: ClassifierSettings, folder: Path, nan_at: int | None = None, **more: Any) -> None:
        super().__init__(settings, **more)
        self.folder, self.nan_at = folder, nan_at

    @property
    def is_second(self) -> bool:
        return self.global_rank == 1

    def task_loss(self) -> TaskFunction:
        loss = super().task_loss()
        factor = math.nan if self.is_second and self.meta_step + 1 == self.nan_at else 1.0
        return lambda *arguments: factor * loss(*arguments)

    def measure(self) -> Row:
        assert not self.is_second
        return super().measure()

    def on_train_end(self) -> None:
        progress = {name: getattr(self, name) for name in PROGRESS}
        torch.save({**progress, "weights": self.meta_parameters()[NAME].detach()}, self.folder / f"{self.global_rank}")


def in_two(module: InTwo) -> InTwo:
    """Train in two processes, which must end alike."""
    module.folder.mkdir(exist_ok=True)
    fit(module, module.folder, None, Trainer(devices=2), module.settings.validate_every)
    first, second = (torch.load(module.folder / rank, weights_only=True) for rank in ("0", "1"))
    assert torch.equal(first.pop("weights"), second.pop("weights"))
    assert first == second
    return module


def test_two_processes_retreat_as_one_does(settings: ClassifierSettings, tmp_path: Path, toy: Toy) -> None:
    module = in_two(InTwo(settings, tmp_path / "two"))
    assert [row["retreats"] for row in module.history] == list(RETREATS)
    torch.testing.assert_close(best_average(module)[0], best_average(toy)[0])
    torch.testing.assert_close(module.meta_parameters()[NAME], toy.meta_parameters()[NAME])


def test_a_nan_in_one_process_skips_the_update_of_both(settings: ClassifierSettings, tmp_path: Path) -> None:
    module = in_two(InTwo(settings, tmp_path / "two", nan_at=3))
    assert [row["skipped"] for row in module.history] == [0, 0, 1, 1, 1, 1, 1, 1]


def test_what_a_person_can_mend_is_told_by_another_process(settings: ClassifierSettings, tmp_path: Path) -> None:
    strict = settings.model_copy(update={"maximum_skipped_in_a_row": 1})
    with pytest.raises(UserError, match=r"^1 meta-gradients in a row had a NaN or Inf \(meta-step 3\): lower .*inner$"):
        in_two(InTwo(strict, tmp_path / "two", nan_at=3))


def test_two_processes_end_and_save_by_one_clock(
    settings: ClassifierSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second's clock runs ten times as fast: by itself it would stop and save long before the first."""
    for place, clock in ((outer_loop, "perf_counter"), (checkpoints, "monotonic")):
        right = getattr(place, clock)
        monkeypatch.setattr(place, clock, lambda right=right: right() * (10 if rank_zero_only.rank else 1))
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.5)
    timed = settings.model_copy(update={"meta_steps": None, "minutes": 0.03, "validate_every": 100_000})
    assert 1.8 <= in_two(InTwo(timed, tmp_path / "two", scores=[0.5] * 100_000)).seconds < 10


def test_what_two_processes_began_goes_on_in_one_or_two(settings: ClassifierSettings, tmp_path: Path, toy: Toy) -> None:
    for number, trainer in enumerate((Trainer(devices=2), Trainer())):
        with pytest.raises(ProcessRaisedException, match="stopped by the test"):
            in_two(InTwo(settings, tmp_path / str(number), stop_in=6))
        module = InTwo(settings, tmp_path / str(number))
        fit(module, module.folder, None, trainer, settings.validate_every)
        assert [row["meta_step"] for row in module.history] == list(range(1, 9))
        torch.testing.assert_close(module.meta_parameters()[NAME], toy.meta_parameters()[NAME])
