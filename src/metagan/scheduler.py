"""The place among several processes that torchrun, srun, jsrun or Lightning gives this one in its environment."""

from __future__ import annotations

import logging
import os
import sys

from metagan.errors import UserError
from metagan.parameters import Trainer

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
SIZES = ("WORLD_SIZE", "SLURM_NTASKS", "JSM_NAMESPACE_SIZE")
READ_BY_LIGHTNING = (
    *RANKS, *SIZES, "NODE_RANK", "GROUP_RANK", "SLURM_NTASKS_PER_NODE", "TORCHELASTIC_RUN_ID",
)  # fmt: skip
"""A process with one of these counts itself, or is counted by Lightning, among several."""

log = logging.getLogger(__name__)


def variables() -> list[str]:
    """Names of the variables by which this process would count among several."""
    return [name for name in READ_BY_LIGHTNING if name in os.environ]


def is_helper(trainer: Trainer) -> bool:
    """Whether this process only helps the first of the several that `trainer` asks for.

    Where it asks for one, or for children that a training forks by itself, it is no helper, whatever the environment
    says: the variables are removed, so that Lightning does not see them either. Raises UserError when another number
    of processes was started than was asked for.
    """
    found = variables()
    if trainer.processes == 1 or trainer.forks:
        if found:
            _forget(found)
            reason = "trainings fork their own processes" if trainer.forks else "one process was asked for"
            log.warning("%s: ignored, since %s (parameter trainer)", ", ".join(found), reason)
        return False
    size = next((name for name in SIZES if name in found), None)
    if size and os.environ[size] != str(trainer.processes):
        raise UserError(
            f"trainer: devices x num_nodes is {trainer.processes}, but {size} says that {os.environ[size]} processes"
            " were started: make them equal"
        )
    rank = next((os.environ[name] for name in RANKS if name in found), "0")
    return rank != "0"


def _forget(names: list[str]) -> None:
    for name in names:
        del os.environ[name]
    if lightning := sys.modules.get("lightning.pytorch.utilities"):  # which has read them when it was imported
        lightning.rank_zero_only.rank = 0
