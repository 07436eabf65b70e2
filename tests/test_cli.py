from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metagan.cli import cli


def typed(params: str) -> dict[str, Any]:
    """What `kedro run --params` makes of a text."""
    return cli.commands["run"].make_context("run", ["--params", params]).params["params"]


def test_what_can_be_read_is_read_as_kedro_does() -> None:
    assert typed("seed=1, tasks.source=digits,meta_train.stream=[]") == {
        "seed": 1,
        "tasks": {"source": "digits"},
        "meta_train": {"stream": []},
    }
    assert typed("") == {}


def test_lists_and_mappings_keep_their_commas() -> None:
    """Kedro cuts at every comma."""
    assert typed(
        "compare_rules.learned=[{update_rule: controller, rule_training: ppo}, {update_rule: mlp}],seed=2,"
        "evaluate.steps=[0,1,5], compare_rules.starts = [random,meta],tasks={source: digits, channels: 1}"
    ) == {
        "compare_rules": {
            "learned": [{"update_rule": "controller", "rule_training": "ppo"}, {"update_rule": "mlp"}],
            "starts": ["random", "meta"],
        },
        "seed": 2,
        "evaluate": {"steps": [0, 1, 5]},
        "tasks": {"source": "digits", "channels": 1},
    }


def test_commas_of_texts() -> None:
    assert typed("report.title='a, b',adapt.images=/a[1,seed=1") == {
        "report": {"title": "a, b"},
        "adapt": {"images": "/a[1"},
        "seed": 1,
    }
    assert typed('report.title=it\'s,names=["a, ]", b]') == {"report": {"title": "it's"}, "names": ["a, ]", "b"]}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ('seed=1,report.title="x', "'report.title=\"x' cannot be read: found unexpected end of stream"),
        ("tasks.source={", "'tasks.source={' cannot be read: expected the node content, but found '<stream end>'"),
        ("adapt.images=@home", "'adapt.images=@home' cannot be read: found character '@' that cannot start any token"),
        ("seed=${", "'seed=${' cannot be read: "),
        (f"seed={'9' * 5000}", "cannot be read: Exceeds the limit"),
        (f"seed={'[' * 5000}", "cannot be read: "),
        ("=1", "'=1' cannot be read: must be a name and a value"),
        ("steps=[1,seed=2", "'steps=[1,seed=2' cannot be read: expected ',' or ']'"),
        ("seed", "'seed' cannot be read: must be a name and a value, as in seed=1"),
        ("seed=1,[seed=2", "'[seed=2' cannot be read: must be a name and a value, as in seed=1"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_line(params: str, said: str) -> None:
    with pytest.raises(click.ClickException) as refused:
        typed(params)
    message = refused.value.format_message()
    assert said in message
    assert "\n" not in message and len(message) < 300


PIECES = st.sampled_from([*"${}[]\"'\\,:=*&|!%@#-.~\t\n 01aé", "${seed}", "seed=", "true", "\ud800", "9" * 5000])


@pytest.mark.parametrize("tries", [200, pytest.param(2000, marks=pytest.mark.fault_injection)])
def test_any_text_is_read_or_told(tries: int) -> None:
    @settings(max_examples=tries)
    @given(st.lists(PIECES, max_size=6).map("".join))
    def fuzz(text: str) -> None:
        try:
            assert typed(f"seed={text}").keys() >= {"seed"}
        except click.ClickException as error:
            assert len(error.format_message().splitlines()) == 1

    fuzz()
