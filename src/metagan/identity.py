"""What models and results were made from, by content hash, and the refusal to take together what does not belong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metagan.errors import UserError

MadeFrom = Mapping[str, str]
"""Content hashes by name, such as {"task_bank": "1a2b3c4d..."}; what has been made has its own hash among them."""

PIPELINES = {
    "task_bank": "tasks",
    "data_card": "tasks",
    "evaluation_embedder": "embedder",
    "objective_embedder": "embedder",
    "judge_embedder": "embedder",
    "embedder_metrics": "embedder",
    "meta_model": "meta_train",
    "joint_gan": "meta_train",
    "training_history": "meta_train",
    "joint_history": "meta_train",
    "classifier": "classifier",
    "natural_classifier": "classifier",
    "classifier_history": "classifier",
    "generation": "evaluate",
    "pictures": "evaluate",
    "robustness": "evaluate_robustness",
    "robustness_pictures": "evaluate_robustness",
    "adapted_generator": "adapt",
    "adaptation": "adapt",
    "adapted_text_generator": "adapt_text",
    "adapted_words": "adapt_text",
    "learned_rules": "compare_rules",
    "rules_as_trained": "compare_rules",
    "rules": "compare_rules",
    "tuned_schedule": "train_with_rule",
    "training_controller": "train_with_rule",
    "controller_history": "train_with_rule",
    "whole_training": "train_with_rule",
    "recognition_critic": "one_shot",
    "diversity_critic": "one_shot",
    "certainty": "evaluate_certainty",
    "continual": "continual",
    "word_lists": "evaluate_text",
    "speech": "evaluate_speech",
    "adapted_speech_generator": "adapt_speech",
    "adapted_speech": "adapt_speech",
    "invented_bank": "invent",
    "inventions": "invent",
    "invention": "evaluate_invention",
    "invention_use": "evaluate_invention",
}
"""Which pipeline makes what, by the names of the catalog."""


def short(content_hash: str) -> str:
    """The first letters, as a person compares them."""
    return content_hash[:8]


def made_from(name: str, result: Mapping[str, Any]) -> MadeFrom:
    """What a result says of itself, a table of JSON or arrays. Raises UserError for one that says nothing."""
    if not isinstance(result, Mapping) or "made_from" not in result:
        raise UserError(
            f"{name}: does not say what it was made from, being of an earlier metagan: run the pipeline "
            f"{PIPELINES[name]} again"
        )
    said = result["made_from"]
    return said if isinstance(said, Mapping) else json.loads(str(said))


def without_origin(result: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be shown of it."""
    return {name: value for name, value in result.items() if name != "made_from"}


def as_array(origin: MadeFrom) -> dict[str, NDArray[np.str_]]:
    """The same among arrays."""
    return {"made_from": np.array(json.dumps(dict(origin)))}


def history_of(name: str, weights: Iterable[object]) -> MadeFrom:
    """The identity of a training's history, each row of which has the content hash of the weights that came of it."""
    return {name: str(next(iter(weights)))}


def together(user: str, **given: MadeFrom) -> dict[str, str]:
    """What all that `user` takes was made from, once it is known to belong together.

    Of what has another hash for the same name, that is at fault which does not agree with the thing of that name, or
    with the first where it is not given. Raises UserError with its name, both hashes, and the pipeline to run.
    """
    for name in dict.fromkeys(name for origin in given.values() for name in origin):
        hashes = {thing: origin[name] for thing, origin in given.items() if name in origin}
        judge = name if name in hashes else next(iter(hashes))
        wrong = {thing: found for thing, found in hashes.items() if found != hashes[judge]}
        if wrong:
            raise UserError(f"{user}: {_refusal(name, judge, hashes[judge], wrong)}")
    return {name: found for origin in given.values() for name, found in origin.items()}


def _refusal(name: str, judge: str, right: str, wrong: Mapping[str, str]) -> str:
    first = next(iter(wrong.values()))
    others = [thing for thing, found in wrong.items() if found == first]
    judged = name if judge == name else f"{name} of {judge}"
    again = ",".join(dict.fromkeys(PIPELINES[thing] for thing in others))
    return (
        f"the {judged} is {short(right)}, but {', '.join(others)} {'was' if len(others) == 1 else 'were'} made from "
        f"{short(first)}: run {again} again, or {PIPELINES[name]} with the seed and parameters of before"
    )
