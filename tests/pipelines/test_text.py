"""Text from the command line: a folder of text files through the whole run, beside n-gram models, and own lines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

if TYPE_CHECKING:
    from conftest import Project

SYLLABLES = ("ba bo", "ki ke", "lu lo", "na ne", "ro ru", "sa si", "te ta", "ve vo", "zi zu")
OPTIONS = {
    "tasks.source": "text_folder",
    **{f"embedder.{role}.stream": [] for role in ("evaluation", "objective", "judge")},
    "tasks.text_folder.train_fraction": 0.56,
    "tasks.text_folder.val_fraction": 0.22,
    "meta_train.stream": [],
    "classifier.stream": [],
    "meta_train.networks.noise_size": 16,
    "meta_train.networks.largest_shift": 0,
    "meta_train.networks.redrawing_width": 0,
    "meta_train.networks.exemplars": 1,
    "meta_train.inner.adapt_parameters": "memory|code|bias|head",
    "meta_train.outer_objective.likelihood": 0.2,
    "classifier.adversary.where": "none",
    "robustness.linf_epsilons": [],
    "robustness.l2_epsilons": [],
    "robustness.poisoned_epsilon": None,
    "adapt.steps": 2,
}


def words_of(syllables: str, n: int) -> list[str]:
    random = np.random.default_rng(n)
    return list(dict.fromkeys("".join(random.choice(syllables.split(), 4)) + "xyz"[i % 3] for i in range(3 * n)))[:n]


def run(project: Project, pipelines: str, **paths: Path) -> subprocess.CompletedProcess[str]:
    options = ("--pipelines", pipelines) if pipelines else ()
    values = OPTIONS | {"tasks.text_folder.path": project.path / "languages"}
    values |= {name.replace("__", "."): path for name, path in paths.items()}
    given = ",".join(f"{name}={'null' if value is None else value}" for name, value in values.items())
    return project.run("kedro", "run", "--env", "smoke", *options, "--params", given)


@pytest.fixture(scope="module")
def of_text(copy_project: Callable[[str], Project]) -> Project:
    """A project after the whole run on nine made-up languages."""
    project = copy_project("text")
    folder = project.path / "languages"
    folder.mkdir()
    for number, syllables in enumerate(SYLLABLES):
        (folder / f"language {number}.txt").write_text("\n".join(words_of(syllables, 24)), encoding="utf-8")
    done = run(project, "")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def table(project: Project, name: str) -> dict:
    return json.loads((project.path / f"data/{name}.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_text_goes_through_the_whole_run(of_text: Project) -> None:
    card, generation = table(of_text, "08_reporting/data_card"), table(of_text, "08_reporting/generation")
    assert (card["domain"], card["shape"], card["classes"]) == ("text", [16], 9)
    for arm in ("adapted", "scratch", "fine_tuned"):
        assert all(np.isfinite(generation["arms"][arm][metric]).all() for metric in ("two_sample", "fjd", "use"))
    assert (of_text.path / "data/08_reporting/report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_words_are_held_against_n_gram_models(of_text: Project) -> None:
    done = run(of_text, "evaluate_text")
    assert done.returncode == 0, done.stdout + done.stderr
    found = table(of_text, "08_reporting/word_lists")
    assert {arm: len(rows) for arm, rows in found["arms"].items()} == {"model": 2, "n_grams": 2, "n_grams_of_all": 2}
    assert found["real"]["novelty"] == 1 and found["copies"]["novelty"] == 0
    assert found["real"]["js_1"] < found["arms"]["model"][0]["js_1"]
    page = (of_text.path / "data/08_reporting/word_lists.md").read_text(encoding="utf-8")
    assert f"## {found['shown'][0]['class']}" in page and found["shown"][0]["real"][0] in page
    assert Image.open(of_text.path / "data/08_reporting/word_curve.png").size[0] > 500
    assert of_text.runs()[0].data.metrics["words/real/quality"] == pytest.approx(found["real"]["quality"])


@pytest.mark.slow
def test_own_lines_get_others(of_text: Project, tmp_path: Path) -> None:
    given = words_of("po pi pa", 14)
    (tmp_path / "names.txt").write_text("\n".join([*given, "", "a line that is far too long"]), encoding="utf-8")
    done = run(of_text, "adapt_text", adapt__text=tmp_path / "names.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lines left out: 1 empty, 1 longer than 16 characters" in " ".join((done.stdout + done.stderr).split())
    found = table(of_text, "07_model_output/adapted_words")
    lines = (of_text.path / "data/07_model_output/adapted_lines.txt").read_text(encoding="utf-8").splitlines()
    assert (found["given"], found["parts"], found["drawn"]) == (14, 4, 42)
    assert len(lines) == len({*lines}) == found["written"] <= 14 and not {*lines} & {*given}
    assert 0 < found["share_new"] <= 1
    version = of_text.client.get_model_version_by_alias("metagan-names-text-generator", "champion")
    assert version.run_id == of_text.runs()[0].info.run_id
    assert float(version.tags["score"]) == pytest.approx(-found["energy_distance"][-1])
    assert "14 lines of names" in version.description and "| a sample is | text/plain |" in version.description
    served = of_text.champion("metagan-names-text-generator")
    answer = served.predict(pd.DataFrame([{"n": 40, "seed": 1}]))
    assert len(answer) == 40 and all(isinstance(line, str) and len(line) <= 16 for line in answer)
    assert served.unwrap_python_model().model.header.parts == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"one\ntwo\n", "has 2 lines that can be read, but at least 10 are needed"),
        (b"\x00\x01", "is no text"),
        (
            "\n".join(a + b for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcdefghijklmnopqrstuvwxyz").encode(),
            "500 at",
        ),
    ],
)
def test_lines_that_are_unfit_are_told_and_nothing_is_written(
    of_text: Project, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    before = sorted((of_text.path / "data/07_model_output").iterdir())
    done = run(of_text, "adapt_text", adapt__text=tmp_path / "names.txt")
    assert done.returncode != 0 and says in " ".join((done.stdout + done.stderr).split())
    assert sorted((of_text.path / "data/07_model_output").iterdir()) == before
