from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest
import torch
from rich.console import Console

from metagan import bench
from metagan.bench_rules import inner_steps_by, long_unroll
from metagan.errors import UserError
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.update_rules import UPDATE_RULES

FAKE: bench.Bench = {
    "maml_step": {
        "metagan": 0.5,
        "loop": 1.25,
        "higher": 1.0,
        "torchopt": 0.9,
        "ratio_to_fastest_peer": 1.8,
        "max_gradient_difference": 1e-9,
    },
    "maml_step_on_one_thread": {"metagan": 1.0, "loop": 1.25, "higher": 1.5, "torchopt": 1.2},
    "gan_step": {name: {"threads": 0.2, "vmap": 0.1, "loop": 0.4} for name in META_GRADIENTS},
    "threads": {"1": 1.0, "2": 0.5},
    "rule_steps": {"sgd": 0.1, "controller": 0.3},
    "peak_memory_mib": 700.0,
    "peak_memory_of_unroll_mib": 900.0,
    "cores_of_other_work": 0.0,
}


@pytest.fixture
def problem() -> bench.MamlProblem:
    return bench.maml_problem(count=2, width=4)


def lines(shown: object) -> list[list[str]]:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(shown)
    return [line.replace("│", " ").split() for line in capture.get().splitlines()]


def test_table_has_seconds_and_ratios_to_the_fastest_way() -> None:
    shown = lines(bench.table(FAKE))
    assert ["MAML", "step", "metagan", "0.500", "1.00"] in shown
    assert ["torchopt", "0.900", "1.80"] in shown
    assert ["MAML", "step,", "one", "thread", "metagan", "1.000", "1.00"] in shown
    assert ["torchopt", "1.200", "1.20"] in shown
    assert ["MAML", "step", "by", "threads", "1", "1.000", "2.00"] in shown
    assert ["GAN", "meta-step,", "reptile", "threads", "0.200", "2.00"] in shown
    assert ["controller", "0.300", "3.00"] in shown


def test_results_are_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    bench.write(FAKE, path)
    assert json.loads(path.read_text(encoding="utf-8")) == FAKE
    assert os.listdir(path.parent) == ["bench.json"]


def test_medians_warm_up_and_take_turns() -> None:
    calls: list[str] = []
    seconds = bench.medians({name: lambda name=name: calls.append(name) for name in "ab"}, repeats=3)
    assert "".join(calls) == "ab" * 4
    assert set(seconds) == {"a", "b"}


def test_maml_is_measured_against_peers_that_agree(problem: bench.MamlProblem) -> None:
    pytest.importorskip("higher", reason="the bench extra is not installed")
    pytest.importorskip("torchopt", reason="the bench extra is not installed")
    maml, on_one_thread, threads = bench.measure_maml(problem, repeats=1)
    assert maml.keys() == FAKE["maml_step"].keys()
    assert maml["ratio_to_fastest_peer"] == min(maml["higher"], maml["torchopt"]) / maml["metagan"]
    assert 0 <= maml["max_gradient_difference"] < 1e-6
    assert {"1", "2"} <= threads.keys()
    assert on_one_thread.keys() == FAKE["maml_step_on_one_thread"].keys()
    assert on_one_thread["metagan"] == threads["1"] and on_one_thread["higher"] >= maml["higher"]


def test_gradients_that_differ_are_refused(problem: bench.MamlProblem) -> None:
    loop = bench.metagan_step(problem, "loop")

    def wrong() -> dict[str, torch.Tensor]:
        return {name: 1.01 * value for name, value in loop().items()}

    with pytest.raises(ArithmeticError, match="gradients of peer differ from the loop's by"):
        bench.gradient_difference({"loop": loop, "peer": wrong})


@pytest.mark.parametrize("meta_gradient", META_GRADIENTS)
def test_gan_step_of_the_default_parameters_runs(meta_gradient: str) -> None:
    settings = bench.default_settings(Path(__file__).parents[1])
    small = settings.meta_train.model_copy(update={"tasks_per_step": 1})
    value, gradients = bench.gan_step(settings.model_copy(update={"meta_train": small}), meta_gradient, "loop")()
    assert value.isfinite()
    assert any(gradient.any() for gradient in gradients.values())


def test_missing_peers_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"^higher and torchopt not installed: the bench extra brings them .*$"):
        bench.main(tmp_path)
    assert not os.listdir(tmp_path)


def test_another_folder_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no conf/base here"):
        bench.default_settings(tmp_path)


def test_peak_memory_is_at_least_what_the_process_holds() -> None:
    settings = bench.default_settings(Path(__file__).parents[1])
    small = settings.meta_train.model_copy(update={"tasks_per_step": 1})
    held = psutil.Process().memory_info().rss / 2**20
    assert (
        held - 1
        < bench.own_peak_memory_mib(settings.model_copy(update={"meta_train": small}), bench.default_gan_step)
        < 16 * held
    )


def test_every_rule_has_a_line_and_takes_its_steps() -> None:
    settings = bench.default_settings(Path(__file__).parents[1])
    seconds = bench.measure_rules(settings, repeats=1)
    assert seconds.keys() == UPDATE_RULES.keys()
    assert all(inner_steps_by(settings, rule)().isfinite().all() for rule in ("controller", "gap_aware"))


def test_the_long_unroll_has_a_gradient() -> None:
    settings = bench.default_settings(Path(__file__).parents[1])
    small = settings.meta_train.model_copy(update={"k_shot": 1, "n_query": 2})
    _, gradients = long_unroll(settings.model_copy(update={"meta_train": small}))()
    assert gradients.keys() >= {"rule.weight.0", "rule.log_rate.generator.maps.0"}
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert gradients["rule.weight.0"].any() and gradients["rule.log_rate.generator.maps.0"].any()
