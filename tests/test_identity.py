"""Models and results of different origin are refused by name, and those of one are taken."""

from __future__ import annotations

import json

import numpy as np
import pytest

from metagan.errors import UserError
from metagan.identity import as_array, history_of, made_from, together, without_origin

OLD, NEW = "1a2b3c4d" * 8, "9f8e7d6c" * 8


def test_what_belongs_together_is_told_together() -> None:
    everything = together(
        "evaluate",
        task_bank={"task_bank": OLD},
        meta_model={"task_bank": OLD, "evaluation_embedder": "e", "meta_model": "m"},
        evaluation_embedder={"task_bank": OLD, "evaluation_embedder": "e"},
    )
    assert everything == {"task_bank": OLD, "evaluation_embedder": "e", "meta_model": "m"}


def test_a_model_of_another_bank_is_refused_with_both_hashes_and_the_remedy() -> None:
    with pytest.raises(UserError) as error:
        together("evaluate", task_bank={"task_bank": NEW}, meta_model={"task_bank": OLD, "meta_model": "m"})
    assert str(error.value) == (
        "evaluate: the task_bank is 9f8e7d6c, but meta_model was made from 1a2b3c4d: run meta_train again, or tasks "
        "with the seed and parameters of before"
    )


def test_all_that_are_at_fault_are_named_with_their_pipelines() -> None:
    old = {"task_bank": OLD}
    with pytest.raises(UserError) as error:
        together("evaluate", task_bank={"task_bank": NEW}, judge_embedder=old, meta_model=old, joint_gan=old)
    assert "but judge_embedder, meta_model, joint_gan were made from 1a2b3c4d" in str(error.value)
    assert "run embedder,meta_train again, or tasks with" in str(error.value)


def test_the_thing_itself_judges_wherever_it_stands() -> None:
    mine = {"evaluation_embedder": OLD, "meta_model": "m"}
    with pytest.raises(UserError, match=r"the evaluation_embedder is 9f8e7d6c, but meta_model was made from 1a2b3c4d"):
        together("adapt", meta_model=mine, evaluation_embedder={"evaluation_embedder": NEW})


def test_results_are_compared_though_what_they_are_of_is_not_there() -> None:
    with pytest.raises(UserError, match=r"^report: the task_bank of data_card is 9f8e7d6c, but robustness was "):
        together("report", data_card={"task_bank": NEW}, generation={"task_bank": NEW}, robustness={"task_bank": OLD})


def test_tables_and_arrays_say_what_they_were_made_from() -> None:
    origin = {"task_bank": OLD, "meta_model": NEW}
    assert made_from("generation", json.loads(json.dumps({"made_from": origin}))) == origin
    arrays = {"real": np.zeros(2)} | as_array(origin)
    assert arrays["made_from"].dtype.kind == "U"  # no pickle
    assert made_from("pictures", arrays) == origin
    assert without_origin(arrays).keys() == {"real"}
    assert history_of("meta_model", [NEW, NEW]) == {"meta_model": NEW}


def test_a_result_of_before_is_refused_with_the_remedy() -> None:
    with pytest.raises(UserError, match=r"^robustness: does not say what it was made from, .* pipeline evaluate_"):
        made_from("robustness", {"models": []})


@pytest.mark.parametrize("content", [None, [], "text", 1.5])
def test_what_is_no_table_says_nothing_of_itself(content: object) -> None:
    with pytest.raises(UserError, match=r"^generation: does not say what it was made from"):
        made_from("generation", content)  # type: ignore[arg-type]
