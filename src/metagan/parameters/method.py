"""The methods of few-shot classification. A new one's name goes here; its file has the same name."""

from __future__ import annotations

from typing import Literal, get_args

MethodWithHead = Literal["maml", "fomaml", "reptile", "anil", "fine_tune"]
"""Whose classifier fits one number of ways."""
MethodOfAnyWay = Literal["prototypical", "posterior", "matching", "matching_fce"]
MethodName = Literal[MethodWithHead, MethodOfAnyWay]

WITH_HEAD: tuple[str, ...] = get_args(MethodWithHead)
