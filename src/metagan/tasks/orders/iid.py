"""All phases mixed from the beginning to the end: the same tasks as one after the other, in random order."""

from __future__ import annotations

import numpy as np

from metagan.tasks.orders.base import Order

iid = Order(lambda position, phases: np.full(phases, 1 / phases))
