"""What docs/extending.md shows is a file and a line, and works as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def blocks() -> list[str]:
    """The code under the title `How to add an update rule`."""
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    return BLOCK.findall(page.partition("## How to add an update rule\n")[2].partition("\n## ")[0])


def test_an_update_rule_with_memory(blocks: list[str], tmp_path: Path) -> None:
    """In a copy of the package, where the tests of every rule then find it."""
    file, line = blocks
    package = shutil.copytree(ROOT / "src/metagan", tmp_path / "metagan", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "meta/update_rules/rprop.py").write_text(file, encoding="utf-8")
    names = package / "parameters/update_rule.py"
    before = names.read_text(encoding="utf-8")
    after = re.sub(r"^LearnedRuleName = .*\n", line, before, flags=re.MULTILINE)
    assert after == before.replace('"]\nUpdateRuleName', '", "rprop"]\nUpdateRuleName') != before
    names.write_text(after, encoding="utf-8")
    tests = str(ROOT / "tests/meta/update_rules/test_every_rule.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "rprop", tests],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^5 passed", done.stdout, re.MULTILINE), done.stdout
