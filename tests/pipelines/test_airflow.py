"""The DAG that `kedro airflow create` writes."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metagan.pipeline_registry import register_pipelines

if TYPE_CHECKING:
    from conftest import Project

pytest.importorskip("kedro_airflow", reason="pip install '.[airflow]'")
slugify = pytest.importorskip("slugify").slugify

TASKS = """
import json, runpy, sys
dag = runpy.run_path(sys.argv[1])["metagan"]()
print(json.dumps({name: sorted(task.upstream_task_ids) for name, task in dag.task_dict.items()}))
"""


@pytest.fixture(scope="module")
def dag_file(copy_project: Callable[[str], Project]) -> Path:
    project = copy_project("airflow")
    done = project.run("kedro", "airflow", "create", "--env", "smoke", "--target-dir", "dags")
    assert done.returncode == 0, done.stderr
    return project.path / "dags/metagan_smoke_dag.py"


@pytest.mark.slow
def test_it_has_a_task_for_each_node(dag_file: Path) -> None:
    """Read as Python, which needs no Airflow."""
    calls = [call for call in ast.walk(ast.parse(dag_file.read_text(encoding="utf-8"))) if isinstance(call, ast.Call)]
    nodes = [
        ast.literal_eval(argument.value)
        for call in calls
        for argument in call.keywords
        if isinstance(call.func, ast.Name) and call.func.id == "_run_kedro_node" and argument.arg == "node_names"
    ]
    assert sorted(nodes) == sorted([node.name] for node in register_pipelines()["__default__"].nodes)


@pytest.mark.services
def test_airflow_imports_it(dag_file: Path, tmp_path: Path) -> None:
    """By an Airflow with an environment of its own, as its users have it."""
    python = os.environ.get("METAGAN_AIRFLOW_PYTHON")
    if not python:
        pytest.skip("METAGAN_AIRFLOW_PYTHON names no Python that has apache-airflow and kedro")
    environment = {"AIRFLOW_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run([python, "-c", TASKS, dag_file], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    pipeline = register_pipelines()["__default__"]
    expected = {
        slugify(node.name): sorted(slugify(parent.name) for parent in parents)
        for node, parents in pipeline.node_dependencies.items()
    }
    assert json.loads(done.stdout.splitlines()[-1]) == expected
