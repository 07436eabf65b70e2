from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from metagan.importing import kept

if TYPE_CHECKING:
    from conftest import Project

COMMAND = """
import gc, sys
sys.path.insert(0, "src")
import metagan.settings
print(any(each is vars(sys.modules["kedro_mlflow.mlflow"]) for each in gc.get_objects()))
import metagan.pipeline_registry
print(any(each is vars(sys.modules["metagan.pipelines.report.nodes"]) for each in gc.get_objects()), gc.isenabled())
"""


def is_looked_at(value: object) -> bool:
    return any(each is value for each in gc.get_objects())


def test_the_collector_rests_meanwhile_and_never_looks_at_what_was_made() -> None:
    before, made = [object()], []
    assert is_looked_at(before)
    with kept():
        assert not gc.isenabled()
        made.append([made])
    after = [object()]
    assert gc.isenabled() and is_looked_at(after)
    assert not is_looked_at(before) and not is_looked_at(made[0])


def test_it_goes_on_when_an_import_fails_and_only_at_the_end_of_the_outer_one() -> None:
    with pytest.raises(ImportError), kept(), kept():
        raise ImportError
    assert gc.isenabled()
    with kept():
        with kept():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.slow
def test_what_kedro_imports_of_a_project_is_kept(copy_project: Callable[[str], Project]) -> None:
    done = copy_project("imports").run("python", "-c", COMMAND)
    assert done.stdout.splitlines()[-2:] == ["False", "False True"], done.stderr
