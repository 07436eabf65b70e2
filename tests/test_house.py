"""What is said of the shape of the code."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src/metagan"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FUNCTION, LONGEST_FILE = 50, 250
ROOMS = ("reporting", "training", "parameters", "domains", "tasks", "meta")  # where no file is longer
LONGER = {"training/outer_loop.py"}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def test_functions_are_measured() -> None:
    body = "\n".join("    pass" for _ in range(LONGEST_FUNCTION))
    (found,) = functions(ast.parse(f"def long():\n{body}\n"))
    assert lines_of(found) == LONGEST_FUNCTION + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_function_is_too_long_to_see_at_once(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {found.name: lines_of(found) for found in functions(tree) if lines_of(found) > LONGEST_FUNCTION}


def test_files_have_one_idea() -> None:
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] in ROOMS
    }
    assert {name for name, length in lengths.items() if length > LONGEST_FILE} <= LONGER


def test_no_two_classes_share_a_name() -> None:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in FILES)
    names = Counter(node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))
    assert len(names) > 100 and not [name for name, times in names.items() if times > 1]
