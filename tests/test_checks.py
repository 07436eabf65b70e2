"""What a person gets wrong is told before anything is imported that takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

KEDRO = """
import sys
from kedro.framework.cli import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
TAKE_SECONDS = {"torch", "lightning", "torchmetrics", "matplotlib", "sklearn"}


@pytest.fixture(scope="module")
def project(copy_project: Callable[[str], Project]) -> Project:
    return copy_project("checks")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--params", "seed=true"), "seed: True is not valid: input should be a valid integer"),
        (("--pipelines", "adapt", "--params", "adapt.images=/no/where"), "adapt.images: /no/where is not a folder"),
        (("--pipelines", "adapt_text", "--params", "adapt.text=/no/where"), "adapt.text: /no/where is not a file"),
        (
            ("--pipelines", "augment"),
            "augment.images: must name a folder of class folders, as in kedro run --pipelines",
        ),
        (
            ("--pipelines", "augment", "--params", "augment.images=notebooks"),
            "augment.images: notebooks holds no class folders",
        ),
        (("--params", 'seed="1'), "--params: 'seed=\"1' cannot be read: found unexpected end of stream"),
        (("--env", "tabs"), "conf/tabs/mlflow.yml, line 2, column 1: found character '\\t' that cannot start any"),
    ],
)
def test_a_refusal_waits_for_no_import(arguments: tuple[str, ...], told: str, project: Project) -> None:
    (project.path / "conf/tabs").mkdir(exist_ok=True)
    (project.path / "conf/tabs/mlflow.yml").write_text("server:\n\tmlflow_tracking_uri: x\n")
    done = project.run(sys.executable, "-c", KEDRO, "run", *arguments)
    assert done.returncode == 1
    assert f"Error: {told}" in done.stderr and "Traceback" not in done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "kedro" in loaded
    assert not loaded & TAKE_SECONDS
    assert not (project.path / "mlflow.db").exists()
