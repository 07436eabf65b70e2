"""Against torch's own distributions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal

from metagan.reinforcement.distributions import Choice, Distribution, Gaussian

LOGITS = torch.tensor([[[0.5, -1.0, 2.0]], [[0.0, 0.0, -3.0]]])
MEAN, DEVIATION = torch.tensor([[[0.5, -1.0]], [[0.0, 2.0]]]), torch.tensor([0.3, 1.5])


@pytest.mark.parametrize(
    ("own", "reference"),
    [
        (Choice(LOGITS), Categorical(logits=LOGITS)),
        (Gaussian(MEAN, DEVIATION.log()), Independent(Normal(MEAN, DEVIATION.expand_as(MEAN)), 1)),
    ],
)
def test_probabilities_and_entropies_are_those_of_torch(
    own: Distribution, reference: torch.distributions.Distribution
) -> None:
    drawn = own.sample(torch.Generator().manual_seed(0))
    assert drawn.shape == reference.sample().shape
    torch.testing.assert_close(own.log_probability(drawn), reference.log_prob(drawn))
    torch.testing.assert_close(own.entropy(), reference.entropy())


def test_samples_have_the_moments_that_they_should() -> None:
    generator = torch.Generator().manual_seed(0)
    chosen = Choice(LOGITS[0].expand(20_000, -1)).sample(generator)
    shares = torch.bincount(chosen, minlength=3) / 20_000
    torch.testing.assert_close(shares, LOGITS[0, 0].softmax(-1), atol=0.01, rtol=0)
    drawn = Gaussian(MEAN[0].expand(20_000, -1), DEVIATION.log()).sample(generator)
    torch.testing.assert_close(drawn.mean(0), MEAN[0, 0], atol=0.04, rtol=0)
    torch.testing.assert_close(drawn.std(0), DEVIATION, atol=0.04, rtol=0)
