"""Classes turned by the turns of their domain, which makes new classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from metagan.domains import Domain
from metagan.tasks.sampling import Episode
from metagan.tasks.streams.base import Wrapper


class Turned(Wrapper):
    """Each class of a task is turned by its own number of turns, support and query alike."""

    key = 3

    def fits(self, domain: Domain) -> bool:
        return domain.turns > 1

    def changed(self, drawn: Episode, generator: np.random.Generator) -> Episode:
        domain = self.bank.domain
        turns = generator.integers(0, domain.turns, len(drawn.class_indices))

        def turn(part: Tensor) -> Tensor:
            return torch.stack([domain.turn(images, int(times)) for images, times in zip(part, turns, strict=True)])

        return Episode(turn(drawn.support), turn(drawn.query), drawn.class_indices)


turned = Turned
