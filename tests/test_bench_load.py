from __future__ import annotations

import subprocess
import sys
import time
from collections import namedtuple
from types import SimpleNamespace

import psutil
import pytest

from metagan import bench_load
from metagan.bench_load import OtherWork

Machine = namedtuple("Machine", "user nice system idle iowait guest")
Own = namedtuple("Own", "user system children_user children_system")


def test_it_is_what_the_machine_works_without_what_this_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """In ten seconds of four cores: 25 core seconds of work, 18 of them this process's and its children's."""
    machine = iter([Machine(100.0, 5, 50, 900, 7, 3), Machine(120.0, 7, 53, 912, 10, 4)])
    own = iter([Own(10.0, 1, 2, 0.5), Own(24.0, 2, 4, 1.5)])
    seconds = iter([1000.0, 1010.0])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(machine))
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(cpu_times=lambda: next(own)))
    monkeypatch.setattr(bench_load, "perf_counter", lambda: next(seconds))
    assert OtherWork().cores() == pytest.approx(0.7)


def test_a_process_beside_is_noticed() -> None:
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        work = OtherWork()
        time.sleep(1)
        assert work.cores() > 0.3
    finally:
        other.kill()
        other.wait()
