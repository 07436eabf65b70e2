"""A job of speech from the command line: recordings of a person's own, trained on and measured."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import soundfile

from metagan.domains.sound import RATE, length, wav
from metagan.reporting.listening import COLUMNS

if TYPE_CHECKING:
    from conftest import Project

WITHOUT = (
    *("embedder.evaluation.stream=[]", "embedder.objective.stream=[]", "embedder.judge.stream=[]"),
    *("meta_train.stream=[]", "classifier.stream=[]", "classifier.adversary.where=none"),
    *("robustness.linf_epsilons=[]", "robustness.l2_epsilons=[]", "robustness.poisoned_epsilon=null"),
)
"""Of `conf/smoke`, what has no meaning for speech."""


def melodies(folder: Path, classes: int, takes: int) -> Path:
    """Recordings of tones that rise or fall, one class in each folder."""
    generator = np.random.default_rng(0)
    for index in range(classes):
        (folder / f"melody {index}").mkdir(parents=True)
        for number in range(takes):
            rate = (8000, 16_000, 44_100)[number % 3]
            times = np.arange(rate // 2) / rate
            pitch = (300 + 80 * index) * (1 + (index % 3 - 1) * times) * generator.uniform(0.95, 1.05)
            sound = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / rate)
            soundfile.write(folder / f"melody {index}" / f"{number}.{('wav', 'flac', 'ogg')[number % 3]}", sound, rate)
    return folder


@pytest.fixture(scope="module")
def spoken(copy_project: Callable[[str], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copy_project("spoken")
    folder = melodies(tmp_path_factory.mktemp("own") / "melodies", 20, 14)
    parameters = ",".join((f"tasks.source=audio_folder,tasks.audio_folder.path={folder}", *WITHOUT))
    stages = "tasks,embedder,meta_train,evaluate_speech"
    done = project.run("kedro", "run", "--env", "smoke", "--pipelines", stages, "--params", parameters)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.mark.slow
def test_a_job_of_speech_is_measured_and_can_be_listened_to(spoken: Project) -> None:
    reporting = spoken.path / "data/08_reporting"
    card = json.loads((reporting / "data_card.json").read_text(encoding="utf-8"))
    assert (card["domain"], card["shape"], card["classes"]) == ("speech", [1, 16, 16], 20)
    table = json.loads((reporting / "speech.json").read_text(encoding="utf-8"))
    assert table["arms"].keys() == {*COLUMNS}
    for row in table["arms"].values():
        assert np.isfinite([row[name] for name in ("two_sample", "fjd", "recognisability", "memorisation")]).all()
    assert table["recognised"] == {}
    assert table["arms"]["real"]["fjd"] < table["arms"]["inverted_real"]["fjd"] < table["arms"]["adapted"]["fjd"]
    page = (reporting / "listening.html").read_text(encoding="utf-8")
    assert page.count("<audio ") == 2 * len(COLUMNS)
    checks = json.loads((reporting / "sound_checks.json").read_text(encoding="utf-8"))
    assert all(row["clipped"] == row["silent"] == 0 for row in checks.values())
    assert checks["real"]["seconds"] == pytest.approx(0.5, abs=0.05)
    logged = spoken.runs()[0]
    assert logged.data.metrics["speech/adapted/fjd"] == table["arms"]["adapted"]["fjd"]
    assert "listening.html" in spoken.artefacts(logged)


def adapt(project: Project, folder: Path, **variables: str) -> tuple[int, str]:
    """The return code, and the last line of what is said."""
    done = project.run(
        *("kedro", "run", "--env", "smoke", "--pipelines", "adapt_speech", "--params", "adapt.steps=2,adapt.samples=9"),
        METAGAN_ADAPT_AUDIO=str(folder),
        **variables,
    )
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.mark.slow
def test_a_word_of_a_persons_own_is_spoken_again(spoken: Project, tmp_path: Path) -> None:
    own = melodies(tmp_path, 1, 6) / "melody 0"
    (own / "notes.txt").touch()
    code, said = adapt(spoken, own)
    assert code == 0, said
    files = sorted((spoken.path / "data/07_model_output/adapted_recordings").iterdir())
    assert [file.name for file in files] == [f"{number:03}.wav" for number in range(9)]
    for file in files:
        sound, rate = soundfile.read(file)
        assert rate == RATE and len(sound) == length(16) and 0.5 < np.abs(sound).max() < 1
    table = json.loads((spoken.path / "data/07_model_output/adapted_speech.json").read_text(encoding="utf-8"))
    assert (table["recordings"], table["samples"], table["clipped"]) == (6, 9, 0)
    assert spoken.runs()[0].data.metrics["adapt/recordings"] == 6
    first = [file.read_bytes() for file in files]
    version = spoken.client.get_model_version_by_alias("metagan-melody-0-speech-generator", "champion")
    assert version.run_id == spoken.runs()[0].info.run_id
    assert float(version.tags["score"]) == pytest.approx(-table["energy_distance"][-1])
    assert "6 recordings of melody 0" in version.description and "audio/wav;rate=8000, in base64" in version.description
    served = spoken.champion("metagan-melody-0-speech-generator")
    answer = served.predict(pd.DataFrame([{"n": 3, "seed": 1}]))
    heard = [soundfile.read(io.BytesIO(base64.b64decode(file))) for file in answer]
    assert [(rate, len(sound)) for sound, rate in heard] == [(RATE, length(16))] * 3
    assert adapt(spoken, own)[0] == 0
    assert [file.read_bytes() for file in files] == first


@pytest.mark.slow
def test_what_is_no_word_leaves_what_was_there(spoken: Project, tmp_path: Path) -> None:
    own = melodies(tmp_path, 1, 2) / "melody 0"
    (own / "silent.wav").write_bytes(wav(np.zeros(RATE, np.float32)))
    before = sorted((spoken.path / "data/07_model_output").rglob("*"))
    code, said = adapt(spoken, own)
    assert code == 1 and said == f"Error: {own / 'silent.wav'} cannot be read as a recording: it is silent"
    assert adapt(spoken, tmp_path / "absent") == (1, f"Error: adapt.audio: {tmp_path / 'absent'} is not a folder")
    assert sorted((spoken.path / "data/07_model_output").rglob("*")) == before


@pytest.mark.slow
def test_a_model_of_pictures_has_nothing_to_do_with_recordings(trained: Project) -> None:
    refused = trained.run("kedro", "run", "--env", "smoke", "--pipelines", "evaluate_speech")
    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    assert last == "Error: evaluate_speech: measures speech, but the task bank of digits has image"
