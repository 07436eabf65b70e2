from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIVE = Path("/proc/self/task")

PROGRAM = """
import os, sys, torch
from concurrent.futures import ThreadPoolExecutor
from metagan.nets.threads import intra_op_threads, single_threads

torch.set_num_threads(2)
matrix = torch.ones(300, 300)
matrix @ matrix
before = len(os.listdir("/proc/self/task"))
with intra_op_threads(1), {pool} as pool:
    assert torch.equal(pool.submit(torch.mm, matrix, matrix).result(), matrix @ matrix)
    print(len(os.listdir("/proc/self/task")) - before, torch.get_num_threads(), end=" ")
print(torch.get_num_threads())
"""


@pytest.mark.skipif(not LIVE.exists(), reason="threads are counted in /proc")
@pytest.mark.parametrize(("pool", "started"), [("single_threads(1)", 1), ("ThreadPoolExecutor(1)", 2)])
def test_a_thread_that_multiplies_matrices_starts_no_others(pool: str, started: int) -> None:
    """The second is the fault: were it gone, the first would not be needed."""
    program = [sys.executable, "-c", PROGRAM.format(pool=pool)]
    done = subprocess.run(
        program, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "2"}
    )
    assert done.stdout.split() == [str(started), "1", "2"]
