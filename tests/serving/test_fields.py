from __future__ import annotations

import json
from typing import Any

import pytest

from metagan.errors import UserError
from metagan.serving.fields import check_fields

KNOWN = ("n", "seed")
GOOD = (
    {"n": 1, "seed": 2},
    {"n": 1, "params": {}},
    {"dataframe_records": [{"n": 1}, {"n": 2, "seed": 3}]},
    {"dataframe_split": {"columns": ["n", "seed"], "data": [[1, 2]]}},
    {"instances": [{"n": 1}]},
    {"inputs": {"n": [1, 2]}},
)


@pytest.mark.parametrize("body", GOOD)
def test_fields_that_are_known_pass_in_every_form(body: Any) -> None:
    check_fields(json.dumps(body).encode(), KNOWN)


@pytest.mark.parametrize("body", GOOD)
def test_one_that_is_not_known_is_named_in_every_form(body: Any) -> None:
    slipped = json.dumps(body).replace('"n"', '"number"').encode()
    with pytest.raises(UserError, match=r"^'number' is no field of a request, but n, seed$"):
        check_fields(slipped, KNOWN)


@pytest.mark.parametrize("body", [b"", b"n,seed", b"[1]", b"3", b"{", b"[" * 10**6, b'{"dataframe_split": 3}', b"\xff"])
def test_what_has_no_fields_is_for_others_to_judge(body: bytes) -> None:
    check_fields(body, KNOWN)


def test_a_long_name_is_told_in_part_and_on_one_line() -> None:
    with pytest.raises(UserError) as caught:
        check_fields(json.dumps({"\n" * 1000: 1}).encode(), KNOWN)
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)
