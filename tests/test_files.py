from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metagan.files import SECONDS_OF_A_STRANGER, process_name, replaced

KILLED = """
import os, signal, sys
from pathlib import Path
import pytest

from metagan.files import SECONDS_OF_A_STRANGER, process_name, replaced
with replaced(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    living = f".1@{socket.gethostname()}.model.pt"
    others = [tmp_path / living, tmp_path / ".hidden.model.pt", tmp_path / ".4194305@elsewhere.org.model.pt"]
    path.write_text("whole")
    for other in others:
        other.touch()
    source = Path(__file__).parents[1] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 5
    with replaced(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert set(tmp_path.iterdir()) == {path, *others}


def test_two_machines_with_the_same_process_id_leave_each_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pt"
    monkeypatch.setattr("os.getpid", lambda: 4194305)  # which neither machine has
    with replaced(path) as ours:
        ours.write_text("ours")
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere.org")
        with replaced(path) as theirs:
            theirs.write_text("theirs")
            assert ours.read_text() == "ours"
    assert path.read_text() == "ours"
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_machine_left_is_removed_after_a_day(tmp_path: Path) -> None:
    path, old = tmp_path / "model.pt", tmp_path / ".1@elsewhere.org.model.pt"
    for age, stays in ((SECONDS_OF_A_STRANGER / 2, True), (2 * SECONDS_OF_A_STRANGER, False)):
        old.touch()
        os.utime(old, (time.time() - age,) * 2)
        with replaced(path) as temporary:
            temporary.write_text("whole")
        assert old.exists() == stays


def test_a_process_is_named_with_its_machine() -> None:
    assert process_name() == f"{os.getpid()}@{socket.gethostname()}"
