"""The fields of a request. MLflow leaves out those that a model does not have, so that a slip would go unnoticed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from metagan.errors import UserError
from metagan.serving.limits import LONGEST_TOLD


def check_fields(body: bytes, known: Sequence[str]) -> None:
    """Raises UserError, which names it, for a field that is not known, in any form of MLflow's scoring protocol.

    What is no JSON is for MLflow to judge.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return
    for field in _fields(content):
        if field not in known:
            raise UserError(f"{str(field)[:LONGEST_TOLD]!r} is no field of a request, but {', '.join(known)}")


def _fields(content: Any) -> Iterable[Any]:
    match content:
        case {"dataframe_split": split}:
            return split.get("columns", ()) if isinstance(split, dict) else ()
        case {"dataframe_records": rows} | {"instances": rows} | {"inputs": rows}:
            of_rows = rows if isinstance(rows, list) else [rows]
            return [field for row in of_rows if isinstance(row, dict) for field in row]
        case {**row}:
            return [field for field in row if field != "params"]
    return ()
