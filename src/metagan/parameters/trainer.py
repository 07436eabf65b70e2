"""Where trainings run."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from metagan.parameters.section import Positive, Section


class Trainer(Section):
    """Where trainings run: the kind of device, and the processes that share the tasks of a step."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Positive = 1
    num_nodes: Positive = 1
    strategy: Literal["ddp_fork", "ddp"] = "ddp_fork"

    @property
    def processes(self) -> int:
        return self.devices * self.num_nodes

    @property
    def forks(self) -> bool:
        """Whether trainings run in children of this process."""
        return self.processes > 1 and self.strategy == "ddp_fork"

    def check_share(self, name: str, count: int) -> None:
        """Raises ValueError unless the processes can share `count` items evenly."""
        if count % self.processes:
            raise ValueError(
                f"{name}: {count} is not a multiple of the {self.processes} processes of trainer that share it"
            )

    @model_validator(mode="after")
    def _reaches_all(self) -> Trainer:
        if self.num_nodes > 1 and self.strategy == "ddp_fork":
            raise ValueError("strategy: must be ddp with several nodes, started by torchrun or srun on each")
        return self
