from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from metagan.domains.image import generator_arguments
from metagan.io import RegistryDataset
from metagan.io.registry import Candidate
from metagan.nets.generator import Generator
from metagan.parameters import GanArchitecture
from metagan.training.saved import GeneratorHeader, Provenance, SavedModel

ARCHITECTURE = GanArchitecture(shape=(1, 16, 16), noise_size=4, generator_width=8)
MADE_FROM = {"task_bank": "1a2b3c4d"}
Register = Callable[..., None]


@pytest.fixture
def model() -> SavedModel[GeneratorHeader]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = Generator(**generator_arguments(ARCHITECTURE)).state_dict()
    return SavedModel(GeneratorHeader(architecture=ARCHITECTURE, provenance=Provenance(made_from=MADE_FROM)), state)


@pytest.fixture
def save(model: SavedModel[GeneratorHeader]) -> Register:
    def register(
        score: float, scored_on: str = "val tasks", name: str = "letters", newest_subject: bool = False
    ) -> None:
        candidate = Candidate(name, model, score, scored_on, "About it.", {"seed": 0}, "Its limits.", newest_subject)
        RegistryDataset().save(candidate)

    return register


@pytest.fixture
def run(experiment: str) -> Iterator[mlflow.ActiveRun]:
    with mlflow.start_run(experiment_id=experiment) as active:
        mlflow.set_tag("mlflow.source.git.commit", "c0ffee")
        yield active


@pytest.mark.slow
def test_the_alias_moves_to_what_is_better_on_the_same(
    run: mlflow.ActiveRun, save: Register, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "metagan")
    champions = []
    for score, scored_on in ((0.5, "this"), (0.4, "this"), (0.5, "this"), (0.9, "that"), (0.6, "this")):
        save(score, scored_on)
        champions.append(int(MlflowClient().get_model_version_by_alias("letters", "champion").version))
    assert champions == [1, 1, 1, 1, 5]
    assert "version 4 was scored on something else than the champion, version 1, which stays" in caplog.text
    assert "version 5 is the champion, with score 0.6" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("run")
def test_the_newest_subject_takes_the_alias_of_another_and_must_beat_its_own(save: Register) -> None:
    champions = []
    for score, pictures in ((0.5, "old"), (0.4, "new"), (0.3, "new"), (0.45, "new")):
        save(score, pictures, "sevens", newest_subject=True)
        champions.append(int(MlflowClient().get_model_version_by_alias("sevens", "champion").version))
    assert champions == [1, 2, 2, 4]


@pytest.mark.slow
def test_a_version_says_what_it_is_and_needs_no_pickle(
    run: mlflow.ActiveRun, save: Register, model: SavedModel[GeneratorHeader], tmp_path: Path
) -> None:
    save(0.5, name="digits")
    found = MlflowClient().get_model_version_by_alias("digits", "champion")
    assert found.run_id == run.info.run_id
    for text in ("About it.", "| seed | 0 |", "| score | 0.5 |", "| commit | c0ffee |", run.info.run_id, "Its limits."):
        assert text in found.description
    for thing, content_hash in (("task bank", "1a2b3c4d"), ("weights", model.content_hash)):
        assert f"| {thing} | {content_hash} |" in found.description
    folder = Path(mlflow.artifacts.download_artifacts("models:/digits@champion", dst_path=str(tmp_path / "model")))
    assert (folder / "artifacts/model_card.md").read_text(encoding="utf-8") == found.description
    requirements = (folder / "requirements.txt").read_text(encoding="utf-8").split()
    assert f"torch=={torch.__version__.partition('+')[0]}" in requirements
    assert all("==" in line and "+" not in line for line in requirements)
    assert not list(folder.rglob("*.pkl"))
    served = mlflow.pyfunc.load_model(str(folder))
    assert served.metadata.signature is not None
    assert len(served.predict(served.input_example)) == served.input_example["n"]
    loaded = served.unwrap_python_model().model
    assert loaded.header == model.header
    assert all(torch.equal(loaded.state[name], value) for name, value in model.state.items())


def test_outside_a_run_nothing_is_registered(save: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metagan.io.registry.register", lambda _: pytest.fail("registered"))
    assert mlflow.active_run() is None
    save(0.5)


def test_an_absent_server_and_a_refusal_are_told_and_no_error(
    run: mlflow.ActiveRun, save: Register, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_with(error: Exception) -> None:
        def register(_: Candidate) -> str:
            raise error

        monkeypatch.setattr("metagan.io.registry.register", register)

    fail_with(MlflowException("API request failed with exception: connection refused"))
    save(0.5)
    assert "does not answer: letters is not registered; its weights are on disk" in caplog.text
    fail_with(MlflowException.invalid_parameter_value("no such name"))
    save(0.5)
    assert "refuses: no such name: letters is not registered; its weights are on disk" in caplog.text
