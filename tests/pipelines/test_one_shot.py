"""The one_shot pipeline in this process, on drawings that stand in for Omniglot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from PIL import Image, ImageDraw

from metagan.errors import UserError
from metagan.io import JSONDataset, TaskBankDataset
from metagan.parameters import MetaTrain, Tasks, validate
from metagan.pipelines.one_shot import create_pipeline, nodes
from metagan.places import check_inputs
from metagan.tasks.bank import SOURCES, TaskBank, plan_bank
from metagan.tasks.sources.base import ClassRecord, Images, Source, ink
from metagan.training.gan import architecture_of, initial_gan
from metagan.training.saved import GanHeader, Provenance, SavedModel, Shots

LoadParameters = Callable[..., dict[str, Any]]


def draw(character: int, size: int) -> Images:
    """Twenty drawings of a path of four strokes, each with a shaking hand."""
    path = np.random.default_rng(character).uniform(15, 90, (5, 2))
    drawings = []
    for drawer in range(20):
        shaking = np.random.default_rng((character, drawer)).normal(0, 4, path.shape)
        sheet = Image.new("L", (105, 105))
        ImageDraw.Draw(sheet).line([tuple(point) for point in path + shaking], fill=255, width=6)
        drawings.append(np.asarray(sheet.resize((size, size), Image.Resampling.BOX)))
    return np.stack(drawings)[:, None]


def stand_in(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Six alphabets of six characters, 1 to 6; 2 to 4 are test, and of them the protocol takes 2 and 3."""
    numbers = [(alphabet, character) for alphabet in range(6) for character in range(1, 7)]
    split_of = {1: "val", 2: "test", 3: "test", 4: "test", 5: "train", 6: "train"}
    splits = [split_of[character] for _, character in numbers]
    classes = [
        ClassRecord(f"alphabet{alphabet}/character{character:02}", f"alphabet{alphabet}", split, 20)
        for (alphabet, character), split in zip(numbers, splits, strict=True)
    ]
    drawings = [partial(draw, 6 * alphabet + character, tasks.image_size) for alphabet, character in numbers]
    return Source("omniglot", "", ink(tasks.image_size), tuple(classes), tuple(drawings))


@pytest.fixture
def parameters(load_parameters: LoadParameters, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setitem(SOURCES, "omniglot", stand_in)
    found = load_parameters("smoke")
    found["tasks"] |= {"source": "omniglot", "omniglot": {"mirror": None, "split": "first_characters"}}
    return found


@pytest.fixture
def bank(parameters: dict[str, Any], tmp_path: Path) -> TaskBank:
    return plan_bank(Tasks.model_validate(parameters["tasks"]), 0, tmp_path).write(tmp_path / "bank", progress=False)


FEW = Shots(1, 4)


def untrained(bank: TaskBank, parameters: dict[str, Any], shots: Shots = FEW) -> SavedModel[GanHeader]:
    training = MetaTrain.model_validate(parameters["meta_train"])
    saved = initial_gan(architecture_of(bank, training), training.inner, 0).save(
        "meta_model", Provenance(made_from=bank.identity)
    )
    return SavedModel(saved.header.model_copy(update={"k_shots": shots}), saved.state)


@pytest.fixture
def given(parameters: dict[str, Any], bank: TaskBank, tmp_path: Path) -> dict[str, Any]:
    values = {f"params:{name}": parameters[name] for name in ("tasks", "one_shot", "meta_train", "seed")}
    return {"task_bank": bank, "meta_model": untrained(bank, parameters), "raw_folder": tmp_path, **values}


def test_the_whole_pipeline(given: dict[str, Any], tmp_path: Path) -> None:
    datasets: dict[str, Any] = {name: MemoryDataset(value, copy_mode="assign") for name, value in given.items()}
    datasets["large_task_bank"] = TaskBankDataset(filepath=str(tmp_path / "large"))
    for name in ("plane", "augmentation_protocol"):
        datasets[name] = JSONDataset(filepath=str(tmp_path / f"{name}.json"))
    datasets |= {name: MemoryDataset() for name in ("plane_samples", "plane_picture", "one_shot_metrics")}
    catalog = DataCatalog(datasets)
    SequentialRunner().run(create_pipeline(), catalog)
    plane, protocol = catalog.load("plane"), catalog.load("augmentation_protocol")
    assert (plane["classes"], plane["image_size"], protocol["test_classes"]) == (12, 20, 18)
    assert plane["points"]["copies_1_shot"]["diversity"]["mean"] == 0
    assert plane["points"]["people"]["relative"] == {"diversity": 1, "recognisability": 1, "distance": 0}
    assert {"model_1_shot", "model_4_shot"} <= plane["points"].keys()
    assert plane["made_from"]["task_bank"] == given["task_bank"].content_hash
    large = catalog.load("large_task_bank")
    assert set(np.unique(large.images)) == {0, 255} and large.example.shape == (1, 20, 20)
    logged = catalog.load("one_shot_metrics")
    assert logged["plane/copies_1_shot/diversity"] == [{"value": 0.0, "step": 0}]
    assert [point["step"] for point in logged["augmentation/gain"]] == [2, 5]
    assert all(isinstance(catalog.load(name), Image.Image) for name in ("plane_samples", "plane_picture"))


def plan(given: dict[str, Any], **changes: Any) -> None:
    names = ("task_bank", "meta_model", "params:tasks", "params:one_shot", "params:seed", "raw_folder")
    nodes.plan_large_bank(*({**given, **changes}[name] for name in names))


def test_a_model_that_was_not_trained_with_one_image_is_told(
    given: dict[str, Any], bank: TaskBank, parameters: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"one_shot\.plane\.k_shots: 1, but the meta-model was trained with 2 to 4"):
        plan(given, meta_model=untrained(bank, parameters, Shots(2, 4)))


def test_a_bank_of_another_split_is_told(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def other(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
        source = stand_in(tasks, seed, raw_folder)
        return Source(source.name, "", source.example, source.classes[1:], source.drawings[1:])

    monkeypatch.setitem(SOURCES, "omniglot", other)
    with pytest.raises(UserError, match="one_shot: the task bank has other classes or another split"):
        plan(given)


def test_another_source_or_split_is_told_before_anything_is_read(load_parameters: LoadParameters) -> None:
    for split in ("alphabets", "first_characters"):
        check_inputs(validate(load_parameters("omniglot", tasks={"omniglot": {"split": split}})), {"one_shot"})
    turned = validate(load_parameters("omniglot", tasks={"omniglot": {"split": "vinyals"}}))
    check_inputs(turned, {"tasks"})
    for wrong, told in (
        (turned, "omniglot with vinyals"),
        (validate(load_parameters("smoke")), "digits with alphabets"),
    ):
        with pytest.raises(UserError, match=f"first_characters or alphabets, not {told}"):
            check_inputs(wrong, {"tasks", "one_shot"})


def test_drawings_must_be_left_for_the_test(load_parameters: LoadParameters) -> None:
    raw = load_parameters("base", one_shot={"augmentation": {"real_images": [5, 20]}})
    with pytest.raises(UserError, match=r"one_shot\.augmentation\.real_images: must be below 20"):
        validate(raw)
