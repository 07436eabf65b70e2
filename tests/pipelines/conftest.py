"""What the tests of adapt and augment share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project


@pytest.fixture(scope="session")
def trained(copy_project: Callable[[str], Project]) -> Project:
    """A copy in which the meta-model has been trained."""
    project = copy_project("trained")
    done = project.run("kedro", "run", "--env", "smoke", "--pipelines", "tasks,embedder,meta_train")
    assert done.returncode == 0, done.stdout + done.stderr
    return project
