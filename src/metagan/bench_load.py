"""What else a machine does while something is timed on it."""

from __future__ import annotations

from time import perf_counter

import psutil

NO_WORK = ("idle", "iowait", "guest", "guest_nice")
"""Of psutil's times of a machine: those of guests are in `user` and `nice` as well."""
AS_GOOD_AS_IDLE = 0.1
"""Cores."""


class OtherWork:
    """How many cores other processes have kept busy since it was made; children of this one count when they end."""

    def __init__(self) -> None:
        self._began, self._before = perf_counter(), _seconds_of_others()

    def cores(self) -> float:
        return max(0.0, (_seconds_of_others() - self._before) / (perf_counter() - self._began))


def _seconds_of_others() -> float:
    machine = psutil.cpu_times()._asdict()
    own = psutil.Process().cpu_times()
    work = sum(seconds for name, seconds in machine.items() if name not in NO_WORK)
    return float(work - own.user - own.system - own.children_user - own.children_system)
