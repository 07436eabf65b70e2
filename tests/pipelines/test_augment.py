"""The augment pipeline: once from the command line, then on what the copy of the project holds."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from metagan import sample_folder
from metagan.errors import UserError
from metagan.evaluation.near_copies import copy_limit
from metagan.io import WeightsDataset
from metagan.pipelines.augment import nodes
from metagan.tasks.bank import open_bank
from metagan.training.adapted_generator import adapt_generator, draw
from metagan.training.embedder import load_embedder
from metagan.training.saved import SavedModel, Shots

if TYPE_CHECKING:
    from conftest import Project

COUNTS = {"it's 1, 7": 6, os.fsdecode(b"\xff"): 3, "one": 1}
Augment = Callable[..., dict[str, Any]]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Classes of digits, dark on white, of 16 pixels as the model draws; but the first has pictures of 40 x 60."""
    digits, folder = load_digits(), tmp_path / "my classes"
    for target, (name, count) in enumerate(COUNTS.items()):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(digits.images[digits.target == target][:count]):
            pixels = (255 - image * (255 / 16)).round().astype(np.uint8)
            picture = Image.fromarray(pixels).resize((16, 16) if target else (40, 60), Image.Resampling.BICUBIC)
            picture.save(folder / name / f"{number}.png")
    return folder


def saved(project: Project, name: str) -> SavedModel[Any]:
    return WeightsDataset(str(project.path / f"data/06_models/{name}.pt")).load()


@pytest.fixture
def augment(trained: Project, tmp_path: Path, mine: Path) -> Augment:
    """The node, on the models of the project; gives its table."""
    bank = open_bank(trained.path / "data/02_intermediate/task_bank")

    def run(shots: tuple[int, int] | None = None, **settings: Any) -> dict[str, Any]:
        model = saved(trained, "meta_model")
        if shots:
            model = SavedModel(model.header.model_copy(update={"k_shots": Shots(*shots)}), model.state)
        small = {"images": mine, "samples": 5, "steps": 1, "judge_steps": 2}
        table, _ = nodes.augment(
            model, saved(trained, "evaluation_embedder"), bank, tmp_path / "new", {**small, **settings}, 0
        )
        return table

    return run


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / sample_folder.TABLE, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_from_the_command_line(trained: Project, mine: Path) -> None:
    done = trained.run(
        *("kedro", "run", "--env", "smoke", "--pipelines", "augment", "--params", "augment.samples=7,augment.steps=2"),
        METAGAN_AUGMENT_IMAGES=str(mine),
    )
    assert done.returncode == 0, done.stderr
    output = trained.path / "data/07_model_output"
    for name in COUNTS:
        files = sorted((output / "augmented" / name).iterdir())
        assert [file.name for file in files] == [f"{number:03}.png" for number in range(7)]
    rows = rows_of(output / "augmented")
    assert len(rows) == 21 and {row["class"] for row in rows} == {"it's 1, 7", r"\xff", "one"}
    table = json.loads((output / "augmentation.json").read_text(encoding="utf-8"))
    assert {name: of_class["side"] for name, of_class in table["classes"].items()} == {
        "it's 1, 7": 40,
        r"\xff": 16,
        "one": 16,
    }
    said = " ".join((done.stdout + done.stderr).split())
    assert "21 pictures may take" in said and "augment.images: of one no picture can be held back" in said
    assert table["told"] in said and f"{sum(row['near_copy'] == 'True' for row in rows)} of 21 samples are near" in said
    run = trained.runs()[0]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["augment/use/gain"] == pytest.approx(table["use"]["gain"]["mean"])
    assert trained.artefacts(run) >= {"augmentation.json", "pictures/augmentation.png"}
    assert trained.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_the_table_tells_the_truth_about_the_files(
    trained: Project, augment: Augment, mine: Path, tmp_path: Path
) -> None:
    """A class of the model's size: each file is made anew from what its row says, and its distance is measured."""
    table = augment(samples=9, steps=2, shots=(1, 2))
    bank, model = open_bank(trained.path / "data/02_intermediate/task_bank"), saved(trained, "meta_model")
    embedder = load_embedder(saved(trained, "evaluation_embedder"), bank)
    rows, name = rows_of(tmp_path / "new"), os.fsdecode(b"\xff")
    assert {row["file"].split("/")[0] for row in rows} == {"it's 1, 7", r"\xff", "one"}
    assert all((tmp_path / "new" / row["file"].replace(r"\xff", name)).is_file() for row in rows)
    assert len(rows) == sum(1 for _ in (tmp_path / "new").rglob("*.png")) == 27
    copies, checked = 0, 0
    for seed in dict.fromkeys(row["seed"] for row in rows if row["class"] == r"\xff"):
        group = [row for row in rows if row["seed"] == seed]
        sources = json.loads(group[0]["sources"])
        assert {row["model"] for row in group} == {model.content_hash} and {row["step"] for row in group} == {"2"}
        given = np.stack([np.asarray(Image.open(mine / name / source)) for source in sources])
        pictures = torch.from_numpy((255 - given)[:, None] / np.float32(255))
        adapted, _ = adapt_generator(model, pictures, 2, 1, int(seed), progress=False)
        for row, sample in zip(group, draw(adapted, len(group), int(seed)), strict=True):
            file = np.asarray(Image.open(tmp_path / "new" / name / Path(row["file"]).name))
            assert np.array_equal(255 - file, (sample[0] * 255).round().byte().numpy())
            with torch.no_grad():
                features = embedder(torch.cat([torch.from_numpy((255 - file) / np.float32(255))[None, None], pictures]))
            distance = (features[1:] - features[:1]).norm(dim=1).min().item()
            is_copy = distance < copy_limit(embedder, bank, len(sources), 0)
            assert row["near_copy"] == str(is_copy)
            copies, checked = copies + is_copy, checked + 1
    assert checked == 9
    assert table["classes"][r"\xff"]["near_copies"] == copies
    sizes = {row["class"]: Image.open(tmp_path / "new" / row["file"]).size for row in rows if row["class"] != r"\xff"}
    assert sizes == {"it's 1, 7": (40, 40), "one": (16, 16)}


@pytest.mark.slow
def test_a_failure_leaves_the_samples_of_before(
    augment: Augment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    augment()
    before = {path: path.read_bytes() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    made = nodes.samples_of_class

    def interrupted(*arguments: Any) -> Any:
        if arguments[-1] == (0, 0, 1):
            raise KeyboardInterrupt
        return made(*arguments)

    monkeypatch.setattr(nodes, "samples_of_class", interrupted)
    with pytest.raises(KeyboardInterrupt):
        augment(samples=2)
    assert {path: path.read_bytes() for path in (tmp_path / "new").rglob("*") if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"my classes", "new"}
    monkeypatch.setattr(nodes, "samples_of_class", made)
    augment(samples=2)
    assert len(rows_of(tmp_path / "new")) == 6


@pytest.mark.slow
def test_classes_that_cannot_be_judged_are_augmented_all_the_same(augment: Augment, mine: Path, tmp_path: Path) -> None:
    for name in list(COUNTS)[:2]:
        for file in sorted((mine / name).iterdir())[1:]:
            file.unlink()
    table = augment()
    assert table["use"] is None and table["told"].startswith("Whether the samples help was not measured")
    assert not any(name.startswith("augment/use") for name in nodes.metrics(table))
    assert len(rows_of(tmp_path / "new")) == 15


@pytest.mark.slow
def test_what_cannot_be_done_is_told_before_anything_is_written(
    augment: Augment, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(**settings: Any) -> str:
        with pytest.raises(UserError) as refused:
            augment(**settings)
        assert {path.name for path in tmp_path.iterdir()} == {"my classes"}
        return str(refused.value)

    assert refusal(images=None).startswith("augment.images: must name a folder of class folders")
    assert refusal(output=mine / "one").startswith("augment.output: ")
    told = refusal(shots=(2, 8))
    assert told.startswith(f"augment.images: class folder {mine / 'one'} holds 1 ") and told.endswith("at least 2")
    free = sample_folder.shutil.disk_usage(tmp_path)._replace(free=2**30)
    with monkeypatch.context() as patched:
        patched.setattr(sample_folder.shutil, "disk_usage", lambda path: free)
        assert "augment.samples: 3,000,000 pictures may take" in refusal(samples=10**6)
    (mine / "one/broken.png").write_bytes(b"no picture")
    assert refusal().startswith(f"{mine / 'one/broken.png'} cannot be read as a picture: ")
    (mine / "empty").mkdir()
    assert "class folder" in (told := refusal()) and told.endswith(
        "holds 0 PNG, JPEG, WebP, BMP, GIF, TIFF or AVIF files, but a class needs at least 1"
    )


def test_metrics_are_shares_and_single_values() -> None:
    use = {"left": 0.5, "left_jitter": 0.6, "left_samples_jitter": 0.7, "gain": {"mean": 0.1}}
    classes = {"a": {"near_copies": 1}, "b": {"near_copies": 2}}
    logged = nodes.metrics({"classes": classes, "samples": 10, "seconds": 1.5, "use": use})
    assert logged["augment/near_copies"] == [{"value": 0.15, "step": 0}]
    assert logged["augment/use/gain"] == [{"value": 0.1, "step": 0}]
