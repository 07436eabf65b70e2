from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from metagan.evaluation.calibration import (
    calibration_error,
    certainty,
    fitted_temperature,
    foreign_auroc,
    negative_log_likelihoods,
    probabilities,
)


def drawn(episodes: int = 400, queries: int = 25, ways: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (E, Q, N) and labels that are drawn with exactly their chances: a classifier that is as sure as it is
    right."""
    generator = torch.Generator().manual_seed(0)
    logits = 1.5 * torch.randn(episodes, queries, ways, generator=generator)
    labels = torch.multinomial(logits.softmax(-1).flatten(0, 1), 1, generator=generator).view(episodes, queries)
    return logits, labels


def test_likelihoods_and_the_mean_of_networks_by_hand() -> None:
    logits = torch.log(torch.tensor([[[[0.9, 0.1], [0.2, 0.8]]], [[[0.5, 0.5], [0.4, 0.6]]]]))  # 2 networks, 1 episode
    chances = probabilities(logits)
    torch.testing.assert_close(chances, torch.tensor([[[0.7, 0.3], [0.3, 0.7]]]))
    found = negative_log_likelihoods(chances, torch.tensor([[0, 0]]))
    torch.testing.assert_close(found, torch.tensor([-(math.log(0.7) + math.log(0.3)) / 2]))


def test_the_calibration_error_by_hand() -> None:
    """Three answers said to be right with 0.9, two of them right; one with 0.6, wrong."""
    chances = torch.tensor([[[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4]]])
    labels = torch.tensor([[0, 0, 0, 1]])
    assert calibration_error(chances, labels) == pytest.approx(0.75 * abs(0.9 - 2 / 3) + 0.25 * 0.6, abs=1e-6)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_what_logits_were_multiplied_by(factor: float) -> None:
    logits, labels = drawn()
    assert fitted_temperature(factor * logits[None], labels) == pytest.approx(factor, rel=0.03)


def test_too_sure_is_told_from_as_sure_as_right() -> None:
    logits, labels = drawn()
    right, sure = (calibration_error((factor * logits).softmax(-1), labels) for factor in (1.0, 3.0))
    assert right < 0.02 and sure > 0.15


def test_foreign_queries_are_told_by_how_sure_the_classifier_is() -> None:
    known, foreign = torch.tensor([0.9, 0.7]), torch.tensor([0.8, 0.5])
    assert foreign_auroc(known, foreign) == pytest.approx(0.75)  # of four pairs one is the wrong way round
    assert foreign_auroc(known, known) == pytest.approx(0.5)


def test_intervals_hold_what_more_episodes_say() -> None:
    """Of disjoint parts of 40 episodes about 95 in 100 intervals reach the value of all."""
    logits, labels = drawn(2400)
    chances = (2 * logits).softmax(-1)
    sure = chances.amax(-1)
    whole = certainty(chances, labels, sure, {"same": sure, "none": sure[:, :0]}, 0)
    split = (whole_part.split(40) for whole_part in (chances, labels, sure))
    parts = [certainty(*part, {}, 0) for part in zip(*split, strict=True)]
    for measure in ("accuracy", "negative_log_likelihood", "calibration_error"):
        inside = [abs(part[measure]["mean"] - whole[measure]["mean"]) <= part[measure]["ci95"] for part in parts]
        assert 0.85 <= np.mean(inside) <= 1.0, measure
    assert whole["foreign_auroc"].keys() == {"same"} and whole["foreign_auroc"]["same"]["mean"] == pytest.approx(0.5)
