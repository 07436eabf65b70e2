"""Examples distorted a little, each by itself, as their domain moves them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from metagan.domains import Domain
from metagan.tasks.sampling import Episode
from metagan.tasks.streams.base import Wrapper


class Jittered(Wrapper):
    """Every example of a task is moved by changes of its own, uniform up to the domain's largest."""

    key = 4

    def fits(self, domain: Domain) -> bool:
        return bool(domain.largest_changes)

    def changed(self, drawn: Episode, generator: np.random.Generator) -> Episode:
        domain = self.bank.domain
        largest = domain.largest_changes

        def jitter(part: Tensor) -> Tensor:
            examples = part.flatten(0, 1)
            changes = generator.uniform(-1, 1, (len(examples), len(largest))) * largest
            return domain.move(examples, torch.from_numpy(changes).to(examples)).view_as(part)

        return Episode(jitter(drawn.support), jitter(drawn.query), drawn.class_indices)


jittered = Jittered
