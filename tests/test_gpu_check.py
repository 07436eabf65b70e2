"""What `make gpu-check` does, on the CPU: there is no accelerator where these tests run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from metagan import gpu_check
from metagan.bench import MamlProblem, default_settings
from metagan.errors import UserError
from metagan.meta.differentiation import Parameters
from metagan.parameters import RunSettings

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def settings() -> RunSettings:
    return default_settings(PROJECT)


def test_what_is_computed_twice_agrees(settings: RunSettings) -> None:
    found = gpu_check.agreement(settings, gpu_check.CPU, count=1)
    assert found == {"maml_step": 0.0, "gan_step": 0.0, "attack": 0.0}


def test_a_device_that_computes_otherwise_is_told(settings: RunSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A meta-gradient whose rate is another by a thousandth on the second of the two places."""
    plain, calls = gpu_check.maml_step, []

    def wrong(problem: MamlProblem) -> gpu_check.Compute:
        calls.append(problem)
        step, factor = plain(problem), 1 + 1e-3 * (len(calls) > 1)
        return lambda: {name: factor * value for name, value in step().items()}

    monkeypatch.setattr(gpu_check, "maml_step", wrong)
    with pytest.raises(ArithmeticError, match=r"maml_step: cpu and CPU differ by 1\.0e-03"):
        gpu_check.agreement(settings, gpu_check.CPU, count=1)


def test_an_attack_moves_images_as_far_as_it_may() -> None:
    problem = gpu_check.maml_on(gpu_check.CPU, 1)
    moved = (gpu_check.attacked(problem)()["images"] - problem.tasks["query"][0]).abs()
    assert moved.max().item() == pytest.approx(0.1, abs=1e-6)
    assert moved.mean() > 0.05


def test_a_training_learns_and_one_that_does_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = gpu_check.training(gpu_check.CPU, 6)
    assert len(losses) == 6 and losses[-1] < 0.95 * losses[0]
    monkeypatch.setattr(gpu_check, "TRAINING_RATE", 0.0)
    with pytest.raises(ArithmeticError, match="training: the outer loss went from"):
        gpu_check.training(gpu_check.CPU, 2)


def test_a_way_that_fails_is_told_and_the_others_are_timed() -> None:
    def fails() -> gpu_check.Compute:
        raise RuntimeError("no such kernel\nat some place")

    def works() -> gpu_check.Compute:
        return dict[str, torch.Tensor]

    row = gpu_check.timed({"works": works, "fails": fails}, 8, gpu_check.CPU, 2)
    assert row["missing"] == {"fails": "RuntimeError: no such kernel"}
    assert row["seconds"].keys() == {"works"} and row["tasks"] == 8


def test_compiled_steps_with_other_gradients_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(step: gpu_check.Compute) -> gpu_check.Compute:
        def twice() -> Parameters:
            return {name: 2 * value for name, value in step().items()}

        return twice

    problem = gpu_check.maml_on(gpu_check.CPU, 1)
    monkeypatch.setattr(torch, "compile", lambda step: step)
    assert gpu_check.difference(gpu_check.compiled(problem)(), gpu_check.maml_step(problem)()) == 0
    monkeypatch.setattr(torch, "compile", doubled)
    with pytest.raises(ArithmeticError, match=r"gradients differ by 1\.0e\+00"):
        gpu_check.compiled(problem)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_without_an_accelerator_one_line_says_so() -> None:
    with pytest.raises(UserError, match="gpu-check: torch sees no accelerator here"):
        gpu_check.main(PROJECT)
