from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from metagan.files import replaced

KILLED = """
import os, signal, sys
from pathlib import Path
from metagan.files import replaced
with replaced(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path, others = tmp_path / "model.pt", [tmp_path / f".{os.getppid()}.model.pt", tmp_path / ".hidden.model.pt"]
    path.write_text("whole")
    for other in others:
        other.touch()
    source = Path(__file__).parents[1] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 4
    with replaced(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert set(tmp_path.iterdir()) == {path, *others}
