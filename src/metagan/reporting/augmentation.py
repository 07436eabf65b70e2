"""What a person is told of samples of own classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BEGINNINGS = {
    "helped": "The samples helped",
    "harmed": "The samples did harm",
    "within chance": "The samples made no difference that is more than chance",
}


def sentence(use: Mapping[str, Any] | None) -> str:
    """Whether samples are of use, in plain words; `use` is what `evaluation.held_back` has measured."""
    if use is None:
        return (
            "Whether the samples help was not measured: that takes two classes or more, and one with a picture that "
            "can be held back."
        )
    gain, count = use["gain"], sum(use["held_back"])
    return (
        f"{BEGINNINGS[use['verdict']]}: of pictures that were held back, small classifiers are right about "
        f"{use['left_samples_jitter']:.1%} with them and {use['left_jitter']:.1%} without: {gain['mean']:+.1%}, "
        f"between {gain['low']:+.1%} and {gain['high']:+.1%} ({count} pictures, {use['rounds']} times each)."
    )
