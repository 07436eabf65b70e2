"""A file of conf/ that cannot be read is named, with the place and what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from kedro.config import OmegaConfigLoader

from metagan.checks import InputError, check
from metagan.configuration import RESOLVERS

ROOT = Path(__file__).parents[1]


def refusal(project: Path, environment: str | None = None) -> str:
    """What the command line says before any work starts."""
    loader = OmegaConfigLoader(
        str(project / "conf"),
        env=environment,
        base_env="base",
        default_run_env="local",
        merge_strategy={"parameters": "soft"},
        custom_resolvers=RESOLVERS,
    )
    context = SimpleNamespace(config_loader=loader, project_path=project, env=environment)
    with pytest.raises(InputError) as caught:
        check(context)  # type: ignore[arg-type]
    return caught.value.format_message()


def project_in(folder: Path) -> Path:
    for name in ("base", "smoke"):
        shutil.copytree(ROOT / "conf" / name, folder / "conf" / name)
    (folder / "conf/local").mkdir()
    return folder


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b"seed: 1\ntasks:\n\tsource: digits\n",
            "line 3, column 1: found character '\\t' that cannot start any",
        ),
        ("seed: 1\nreport: {title: é}".encode("latin-1"), "line 2, column 17: is no UTF-8, save it in that encoding"),
        ("seed: 1\n".encode("utf-16"), "line 1, column 1: is no UTF-8, save it in that encoding"),
        ("seed: 1\n".encode("utf-16-le"), "line 1, column 2: special characters are not allowed; save it as UTF-8"),
        (b"seed: 1\nseed: 2\n", "line 2, column 1: found duplicate key seed"),
        (b"seed: [1\n", "line 2, column 1: expected ',' or ']', but got '<stream end>'"),
        (b"- seed\n", "line 1, column 1: must hold names and values, as in seed: 1"),
        (b"report: {title: '${oops'}\n", "report.title: "),
    ],
)
@pytest.mark.parametrize("environment", ["local", "smoke"])
def test_a_file_that_cannot_be_read_is_named(content: bytes, expected: str, environment: str, tmp_path: Path) -> None:
    project = project_in(tmp_path)
    file = "parameters.yml" if environment == "local" else "parameters_report.yml"
    (project / "conf" / environment / file).write_bytes(content)
    said = refusal(project, environment if environment != "local" else None)
    assert said.startswith(f"conf/{environment}/{file}, {expected}")
    assert "\n" not in said


@pytest.mark.parametrize("name", ["catalog.yml", "mlflow.yml", "credentials.yml"])
def test_any_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    project = project_in(tmp_path)
    file = project / "conf/local" / name
    file.write_text("server:\n\turi: text\n")
    assert refusal(project).startswith(f"conf/local/{name}, line 2, column 1: found character '\\t'")
    file.write_bytes("server: é\n".encode("latin-1"))
    assert refusal(project).startswith(f"conf/local/{name}, line 1, column 9: is no UTF-8")
    file.unlink()
    file.mkdir()
    assert refusal(project) == f"conf/local/{name}, cannot be read (Is a directory)"


def test_an_interpolation_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    (project / "conf/local/parameters.yml").write_text("report: {title: '${nowhere}'}\n")
    assert "nowhere" in refusal(project) and "report.title" in refusal(project)


@pytest.mark.parametrize("name", ["meta[gan]", "[2024]"])
def test_a_project_below_brackets_is_refused_for_that(name: str, tmp_path: Path) -> None:
    project = project_in(tmp_path / name / "project")
    for environment in (None, "smoke"):
        assert refusal(project, environment) == (
            f"{project}/conf: Kedro finds nothing below a name with brackets: rename the folder, or move the project"
        )


def test_an_unknown_environment_is_named_anywhere(tmp_path: Path) -> None:
    for folder in (tmp_path / "plain", tmp_path / "a[1]"):
        assert refusal(project_in(folder), "smok") == "--env: 'smok' is not one of base, local, smoke"
