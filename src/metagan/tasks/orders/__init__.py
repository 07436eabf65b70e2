"""Orders of a stream: which phase a task is of. A new order is a file here that has its name, and a word in
`metagan.parameters.stream`."""

from __future__ import annotations

from importlib import import_module
from typing import get_args

from metagan.parameters.stream import OrderName
from metagan.tasks.orders.base import Order

ORDERS: dict[str, Order] = {name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(OrderName)}

__all__ = ["ORDERS", "Order"]
