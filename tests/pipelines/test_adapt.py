"""The adapt pipeline from the command line, in copies of the project: on digits, and on a folder of colour pictures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

import metagan
from metagan.domains.image import generator_arguments
from metagan.io import WeightsDataset
from metagan.lock import FolderLock
from metagan.nets.generator import Generator
from metagan.pipelines.adapt.nodes import metrics
from metagan.pipelines.augment.nodes import augment
from metagan.tasks.bank import open_bank

if TYPE_CHECKING:
    from conftest import Project

FORMS = (("L", "png"), ("RGB", "jpg"), ("P", "png"), ("RGB", "webp"), ("RGBA", "png"), ("L", "jpeg"))
MODELS = ("meta_model", "evaluation_embedder")


@pytest.fixture
def sevens(tmp_path: Path) -> Path:
    """Digits as a person might have them: dark on white, of several sizes, modes and formats."""
    digits = load_digits()
    folder = tmp_path / "my sevens"
    folder.mkdir()
    for number, (mode, suffix) in enumerate(FORMS):
        image = 255 - digits.images[digits.target == 7][number] * (255 / 16)
        size = (16 + 9 * number,) * 2
        picture = Image.fromarray(image.round().astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        picture.convert(mode).save(folder / f"{number}.{suffix}")
    return folder


def adapt(project: Project, **parameters: object) -> subprocess.CompletedProcess[str]:
    given = ",".join(f"adapt.{name}={value}" for name, value in parameters.items())
    options = ["--params", given] if given else []
    return project.run("kedro", "run", "--env", "smoke", "--pipelines", "adapt", *options)


def output(project: Project) -> Path:
    return project.path / "data/07_model_output"


def table(project: Project) -> dict[str, Any]:
    return json.loads((output(project) / "adaptation.json").read_text(encoding="utf-8"))


@pytest.mark.slow
class TestDigits:
    def test_samples_grid_animation_weights_and_table(self, trained: Project, sevens: Path) -> None:
        beside = FolderLock(trained.path / "data")
        beside.acquire()  # as a run that writes there has it
        done = adapt(trained, images=sevens, steps=4, samples=10)
        beside.release()
        assert done.returncode == 0, done.stderr
        assert "adapting: 100%" in done.stderr
        assert "look unlike" not in done.stdout + done.stderr
        files = [file.name for file in sorted((output(trained) / "adapted_samples").iterdir())]
        assert files == [f"{number:03}.png" for number in range(10)]
        grid = Image.open(output(trained) / "adapted_samples.png")
        sample = Image.open(output(trained) / "adapted_samples/000.png")
        assert (sample.size, sample.mode) == ((16, 16), "L")
        assert grid.size == (2 * (8 * 17 - 1), 2 * (2 * 17 - 1))
        assert np.array_equal(np.asarray(grid)[:32:2, :32:2], np.asarray(sample))
        large = sorted((output(trained) / "adapted_samples_full_size").iterdir())
        assert [file.name for file in large] == files
        for file in large:
            with Image.open(file) as full, Image.open(output(trained) / "adapted_samples" / file.name) as small:
                assert (full.size, full.mode) == ((38, 38), "L")  # the sides are 16, 25 ... 61
                brightness = (np.asarray(picture).mean() for picture in (full, small))
                assert next(brightness) == pytest.approx(next(brightness), abs=4)
        with Image.open(output(trained) / "adaptation.gif") as movie:
            assert movie.n_frames == 1 + 4
        weights = WeightsDataset(str(output(trained) / "adapted_generator.pt")).load()
        Generator(**generator_arguments(weights.header.architecture)).load_state_dict(weights.state)
        found = table(trained)
        assert (found["images"], found["inverted"], found["steps"], found["samples"]) == (6, 6, 4, 10)
        assert weights.header.inverted is True
        assert not found["unfamiliar"]
        assert f"{found['near_copies']} of 10 samples are near copies" in " ".join(done.stdout.split())
        assert "adapt.images: 6 pictures are more than the 4 at most" in " ".join(done.stdout.split())
        assert len(found["energy_distance"]) == 1 + 4

        run = trained.runs()[0]
        assert run.info.status == "FINISHED"
        assert run.data.params["adapt.images"] == str(sevens)
        assert run.data.metrics["adapt/distance"] == pytest.approx(found["distance"])
        assert run.data.metrics["adapt/near_copies"] == found["near_copies"]
        logged = trained.artefacts(run)
        assert logged >= {"adaptation.json", "checkpoints/adapted_generator.pt", "pictures/adapted_samples.png"}
        assert logged >= {"pictures/adaptation.gif", "pictures/adapted_samples/009.png", "pictures/adapted_spread.png"}
        assert trained.git("status", "--porcelain") == ""

        version = trained.client.get_model_version_by_alias("metagan-my-sevens-generator", "champion")
        assert version.run_id == run.info.run_id
        assert float(version.tags["score"]) == pytest.approx(-found["energy_distance"][-1])

    def test_a_script_trains_and_adapts_to_the_same_bits(self, trained: Project, sevens: Path, tmp_path: Path) -> None:
        assert adapt(trained, images=sevens, steps=4).returncode == 0
        settings = metagan.read_settings(trained.path / "conf", "smoke")
        tasks = metagan.make_tasks(settings, tmp_path / "tasks")
        model = metagan.train(tasks, settings, tmp_path / "training")
        assert model.content_hash == metagan.load(trained.path / "data/06_models/meta_model.pt").content_hash
        generator = metagan.adapt(model, metagan.read_pictures(sevens, tasks), steps=4)
        assert generator.content_hash == metagan.load(output(trained) / "adapted_generator.pt").content_hash

    @pytest.mark.parametrize("name", [b"it's, 7 ${seed}", b"\xff[2024]"])
    def test_a_folder_of_any_name_is_adapted_to(self, trained: Project, sevens: Path, name: bytes) -> None:
        folder = sevens.rename(sevens.with_name(os.fsdecode(name)))
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20), np.uint8)).save(folder / "noise.bmp")
        (folder / "notes.txt").touch()
        done = trained.run(
            *("kedro", "run", "--env", "smoke", "--pipelines", "adapt", "--params", "adapt.steps=1,adapt.samples=2"),
            METAGAN_ADAPT_IMAGES=str(folder),
        )
        assert done.returncode == 0, done.stderr
        assert "1 .txt" in done.stdout + done.stderr
        assert table(trained)["images"] == 7
        run = trained.runs()[0]
        assert run.info.status == "FINISHED"
        assert name in unquote_to_bytes(run.data.params["adapt.images"])

    def test_fewer_samples_leave_none_of_earlier_ones(self, trained: Project, sevens: Path) -> None:
        done = adapt(trained, images=sevens, steps=1, samples=2)
        assert done.returncode == 0, done.stderr
        assert len(list((output(trained) / "adapted_samples").iterdir())) == 2

    def test_one_picture_is_enough_for_a_model_that_was_trained_with_one(self, trained: Project, sevens: Path) -> None:
        for file in sorted(sevens.iterdir())[1:]:
            file.unlink()
        done = adapt(trained, images=sevens, steps=1, samples=3)
        assert done.returncode == 0, done.stderr
        assert "more than the" not in done.stdout
        found = table(trained)
        assert found["images"] == 1
        assert np.isfinite(found["energy_distance"]).all()

    def test_noise_is_warned_of(self, trained: Project, tmp_path: Path) -> None:
        for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (3, 20, 20), np.uint8)):
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        done = adapt(trained, images=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "The files look unlike what the model was trained on" in " ".join((done.stdout + done.stderr).split())
        assert table(trained)["unfamiliar"]
        assert table(trained)["unlike"]
        assert f"trained on: {table(trained)['unlike'][0]}" in " ".join((done.stdout + done.stderr).split())
        assert trained.runs()[0].data.metrics["adapt/unfamiliar"] == 1

    def test_without_pictures_it_says_what_to_type(self, trained: Project) -> None:
        done = adapt(trained)
        assert done.returncode != 0
        assert done.stderr.strip().splitlines()[-1].startswith("Error: adapt.images: must name a folder of pictures")
        assert trained.runs()[0].info.status == "FAILED"


@pytest.mark.slow
def test_without_a_trained_model_it_says_so(copy_project: Callable[[str], Project], sevens: Path) -> None:
    project = copy_project("untrained")
    done = adapt(project, images=sevens)
    assert done.returncode != 0
    model = project.path / "data/06_models/meta_model.pt"
    assert done.stderr.strip().splitlines()[-1] == f"Error: there is no {model}: train it, with kedro run"


def shapes(folder: Path, count: int) -> None:
    """Pictures of a coloured shape on a coloured ground, one class in each of `count` folders."""
    generator = np.random.default_rng(0)
    for name in range(count):
        (folder / f"shape {name:02}").mkdir(parents=True)
        ink, ground = (tuple(colour) for colour in generator.integers(0, 256, (2, 3)).tolist())
        for number in range(14):
            picture = Image.new("RGB", (48, 40), ground)
            left, top = generator.integers(6, 14, 2).tolist()
            pen = ImageDraw.Draw(picture)
            (pen.ellipse if name % 2 else pen.rectangle)((left, top, left + 22, top + 20), fill=ink)
            picture.save(folder / f"shape {name:02}" / f"{number}.{('png', 'jpg', 'webp')[number % 3]}")


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64])
def test_colour_pictures_are_trained_on_reported_and_adapted_to(
    copy_project: Callable[[str], Project], tmp_path: Path, size: int
) -> None:
    shapes(tmp_path / "shapes", 20)
    project = copy_project("colour")
    parameters = f"tasks.source=image_folder,tasks.image_folder.path={tmp_path / 'shapes'},tasks.channels=3"
    parameters += f",tasks.image_size={size},meta_train.stream=[],evaluate.steps=[0,1],evaluate.n_tasks=4"
    done = project.run("kedro", "run", "--env", "smoke", "--params", parameters)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("contact_sheet", "samples"):
        assert colourful(project.path / f"data/08_reporting/{name}.png"), name

    done = adapt(project, images=tmp_path / "shapes/shape 03", steps=2, samples=4)
    assert done.returncode == 0, done.stderr
    assert not table(project)["inverted"]
    with Image.open(output(project) / "adapted_samples/000.png") as sample:
        assert (sample.mode, sample.size) == ("RGB", (size, size))
    with Image.open(output(project) / "adapted_samples_full_size/000.png") as sample:
        assert (sample.mode, sample.size) == ("RGB", (40, 40))
    assert colourful(output(project) / "adapted_samples_full_size/000.png")
    assert colourful(output(project) / "adaptation.gif")

    models = {name: WeightsDataset(str(project.path / f"data/06_models/{name}.pt")).load() for name in MODELS}
    bank = open_bank(project.path / "data/02_intermediate/task_bank")
    for name in ("shape 03", "shape 04"):
        shutil.copytree(tmp_path / "shapes" / name, tmp_path / "two shapes" / name)
    settings = {"images": tmp_path / "two shapes", "samples": 2, "steps": 1, "judge_steps": 2}
    augment(*models.values(), bank, tmp_path / "more", settings, 0)
    with Image.open(tmp_path / "more/shape 03/001.png") as sample:
        assert (sample.mode, sample.size) == ("RGB", (40, 40))
    assert colourful(tmp_path / "more/shape 03/001.png")


def colourful(path: Path) -> bool:
    """Whether the channels of some pixel are far apart."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return bool(np.ptp(pixels, axis=2).max() > 100)


def test_metrics_have_the_adaptation_step() -> None:
    adaptation = {"images": 3, "seconds": 0.5, "distance": 20.0, "distance_limit": 10.0, "unfamiliar": True}
    adaptation |= {"near_copies": 2, "near_copy_distance": 0.1}
    logged = metrics({**adaptation, "energy_distance": [3.0, 1.0]})
    assert logged["adapt/unfamiliar"] == [{"value": 1.0, "step": 0}]
    assert logged["adapt/near_copies"] == [{"value": 2.0, "step": 0}]
    assert logged["adapt/energy_distance"] == [{"value": 3.0, "step": 0}, {"value": 1.0, "step": 1}]
