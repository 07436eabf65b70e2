from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.pipeline import Pipeline

from metagan.pipeline_registry import register_pipelines
from metagan.pipelines.evaluate.nodes import by_step, metrics, summarise
from metagan.pipelines.evaluate_robustness import nodes as robustness_nodes

ROOT = Path(__file__).parents[2]
STAGES = ("tasks", "embedder", "meta_train", "evaluate", "classifier", "evaluate_robustness", "report")
BY_THEMSELVES = ("adapt", "augment", "bandits", "evaluate_invention", "invent", "leaderboard", "one_shot")
BY_THEMSELVES += ("evaluate_certainty", "compare_classifiers", "compare_meta_gradients", "compare_rules")
BY_THEMSELVES += ("train_with_rule", "continual", "control", "evaluate_text", "evaluate_speech")
BY_THEMSELVES += ("adapt_speech", "adapt_text")
LOGGED_ONLY = {"generation_metrics", "robustness_metrics", "adaptation_metrics", "augmentation_metrics"}
LOGGED_ONLY |= {"one_shot_metrics", "invention_metrics", "certainty_metrics", "continual_metrics"}
LOGGED_ONLY |= {"word_metrics", "speech_metrics", "adapted_speech_metrics", "adapted_words_metrics"}
LOGGED_ONLY |= {"registered_meta_model", "registered_classifier", "registered_adapted_generator"}
LOGGED_ONLY |= {"registered_adapted_speech_generator", "registered_adapted_text_generator"}
READ_FROM_MLFLOW = {"finished_runs"}


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Pipeline]:
    return register_pipelines()


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The file or folder behind each catalog entry, relative to the project."""
    catalog = yaml.safe_load((ROOT / "conf/base/catalog.yml").read_text(encoding="utf-8"))
    entries = {name: {**entry, **entry.get("dataset", {})} for name, entry in catalog.items()}
    paths = {name: entry.get("filepath", entry.get("path")) for name, entry in entries.items()}
    return {name: path for name, path in paths.items() if path}


def data(names: set[str]) -> set[str]:
    return {name for name in names if not name.startswith("params:")}


def test_default_is_all_stages_and_needs_nothing_but_folders(pipelines: dict[str, Pipeline]) -> None:
    assert set(pipelines) == {*STAGES, *BY_THEMSELVES, "__default__"}
    assert set(pipelines["__default__"].nodes) == {node for stage in STAGES for node in pipelines[stage].nodes}
    assert data(pipelines["__default__"].inputs()) == {"raw_folder", "checkpoint_folder"}


def test_every_hand_over_has_a_file(pipelines: dict[str, Pipeline], files: dict[str, str]) -> None:
    handed_over = set().union(*(data(pipeline.datasets()) for pipeline in pipelines.values()))
    assert handed_over == files.keys() | LOGGED_ONLY | READ_FROM_MLFLOW
    assert len(set(files.values())) == len(files)
    assert all(path.startswith("data/") for path in files.values())


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_knows_what_each_stage_reads_and_writes(
    stage: str, pipelines: dict[str, Pipeline], files: dict[str, str]
) -> None:
    described = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    outs = [*described["outs"], *described.get("metrics", [])]
    outs = {out if isinstance(out, str) else next(iter(out)) for out in outs}
    reads = data(pipelines[stage].inputs()) - {"raw_folder", "checkpoint_folder"}
    writes = data(pipelines[stage].all_outputs()) - LOGGED_ONLY
    assert {path for path in described["deps"] if path.startswith("data/")} == {files[name] for name in reads}
    checkpoints = {out for out in outs if out.startswith(files["checkpoint_folder"])}
    assert outs - checkpoints == {files[name] for name in writes}
    assert bool(checkpoints) == ("checkpoint_folder" in pipelines[stage].inputs())
    assert described["cmd"].endswith(f"--pipelines {stage}")
    watched = {section for files in described["params"] for sections in files.values() for section in sections}
    used = {name.removeprefix("params:").split(".")[0] for name in pipelines[stage].inputs() if "params:" in name}
    assert watched == used
    assert all((ROOT / path).exists() for path in described["deps"] if path.startswith("src/"))


def test_metrics_are_named_by_arm_and_have_the_adaptation_step() -> None:
    generation = {
        "steps": [0, 5],
        "arms": {"adapted": {"fid": [3.0, 1.0], "kid": [None, 0.5]}, "real": {"fid": 0.1}},
        "gap_closed": [0.0, 0.9],
        "use": {"by_shots": {"8": {"samples": {"mean": 0.7, "ci95": 0.1}}}},
        "embedder": {"accuracy_20way_1shot": 0.95},
        "seconds": {"meta_train": 60.0},
    }
    assert metrics(generation) == {
        "adapted/fid": [{"value": 3.0, "step": 0}, {"value": 1.0, "step": 5}],
        "adapted/kid": [{"value": 0.5, "step": 5}],
        "real/fid": [{"value": 0.1, "step": 0}],
        "gap_closed": [{"value": 0.0, "step": 0}, {"value": 0.9, "step": 5}],
        "use/8_shot/samples": [{"value": 0.7, "step": 0}],
        "embedder/accuracy_20way_1shot": [{"value": 0.95, "step": 0}],
        "seconds/meta_train": [{"value": 60.0, "step": 0}],
    }


def test_dvc_compares_the_headline_numbers_and_plots_the_arms_by_step() -> None:
    adapted = {"fjd": [9.0, 0.7, 0.6], "kid": [None, 0.2, 0.1], "use": [0.1, 0.8, 0.9]}
    adapted |= {"two_sample": [1.0, 0.8, 0.7], "two_sample_binarised": [1.0, 0.6, 0.5]}
    others = {"scratch": {"fjd": [9.0, 8.0, 7.0]}, "fine_tuned": {"fjd": [5.0, 4.0, 3.0]}, "real": {"fjd": 0.1}}
    generation = {"steps": [0, 5, 20], "arms": {"adapted": adapted, **others}, "gap_closed": [0.0, 0.9, 0.95]}
    generation["use"] = {"by_shots": {"8": {"samples": {"mean": 0.85, "ci95": 0.1}}}}
    summary = summarise(generation)
    assert list(summary)[:5] == ["step", "two_sample", "two_sample_binarised", "use", "use/8_shot/samples"]
    assert summary == {
        "step": 5, "two_sample": 0.8, "two_sample_binarised": 0.6, "use": 0.8, "use/8_shot/samples": 0.85,
        "fjd": 0.7, "kid": 0.2, "fjd_ratio": pytest.approx(7.0), "gap_closed": 0.9,
    }  # fmt: skip
    assert summarise({**generation, "steps": [0, 1, 2]})["step"] == 2
    table = by_step(generation).set_index("step")
    assert table.loc[20].to_dict() == {
        "gap_closed": 0.95,
        "adapted/fjd": 0.6,
        "adapted/kid": 0.1,
        "adapted/use": 0.9,
        "adapted/two_sample": 0.7,
        "adapted/two_sample_binarised": 0.5,
        "scratch/fjd": 7.0,
        "fine_tuned/fjd": 3.0,
    }


@pytest.fixture
def robust_model() -> dict[str, Any]:
    """A model of robustness.json that was trained under attack."""

    def row(eps: float, mean: float, **changes: str) -> dict[str, object]:
        return {"attack": "pgd", "norm": "linf", "support": "clean", "eps": eps, "mean": mean} | changes

    return {
        "adversary": "query",
        "n_way": 5,
        "k_shot": 1,
        "natural": {"mean": 0.9},
        "robust": [
            row(0.03, 0.8),
            row(0.1, 0.2, support="poisoned"),
            row(0.1, 0.3, norm="l2"),
            row(0.1, 0.4, attack="fgsm"),
            row(0.11, 0.7),
            row(0.3, 0.1),
        ],
    }


def test_dvc_compares_accuracy_under_the_attack_of_the_headline(robust_model: dict[str, Any]) -> None:
    assert robustness_nodes.summarise({"models": [robust_model, {**robust_model, "adversary": "none"}]}) == {
        name: {"natural_accuracy": 0.9, "robust_accuracy": 0.7}
        for name in ("classifier/5way_1shot", "natural_classifier/5way_1shot")
    }


def test_where_nothing_is_attacked_nothing_is_robust(robust_model: dict[str, Any]) -> None:
    unattacked = {"models": [robust_model | {"adversary": "none", "robust": []}]}
    assert robustness_nodes.summarise(unattacked) == {"classifier/5way_1shot": {"natural_accuracy": 0.9}}
    assert list(robustness_nodes.metrics(unattacked)) == ["classifier/5way_1shot/accuracy"]


def test_robustness_metrics_have_thousandths_of_epsilon_as_step(robust_model: dict[str, Any]) -> None:
    logged = robustness_nodes.metrics({"models": [robust_model]})
    name = "classifier/5way_1shot"
    assert logged[f"{name}/accuracy"] == [{"value": 0.9, "step": 0}]
    assert logged[f"{name}/pgd_linf"] == [
        {"value": 0.8, "step": 30},
        {"value": 0.7, "step": 110},
        {"value": 0.1, "step": 300},
    ]
    assert logged[f"{name}/pgd_linf_poisoned"] == [{"value": 0.2, "step": 100}]
    assert logged[f"{name}/pgd_l2"] == [{"value": 0.3, "step": 100}]
    assert logged[f"{name}/fgsm_linf"] == [{"value": 0.4, "step": 100}]


def test_a_natural_classifier_without_a_twin_is_the_classifier(robust_model: dict[str, Any]) -> None:
    models = [{**robust_model, "adversary": "none", "n_way": n_way} for n_way in (5, 20)]
    assert robustness_nodes.summarise({"models": models}).keys() == {"classifier/5way_1shot", "classifier/20way_1shot"}
