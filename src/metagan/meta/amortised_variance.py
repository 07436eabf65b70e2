"""How widely features of a class lie, as a network says at once from a few of its images: an amortised variance.

The posterior of a class (`class_posterior`) is as wide for every class with as many images. Here a small network, the
same for all features, sees those of the support set and multiplies these widths (amortised inference as in Gordon et
al. 2019, arXiv 1805.09921, section 3, that begins at the closed form; a width for each class as in Gaussian
prototypical networks, Fort 2017, arXiv 1708.02735).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metagan.meta.class_posterior import ClassPrior, log_chances
from metagan.meta.methods.prototypical import class_means
from metagan.nets.randomness import seeded

INPUTS, HIDDEN, LARGEST_LOG = 7, 16, 3.0
EPISODES, LEARNING_RATE = 500, 0.01


class VarianceNetwork(nn.Module):
    """Features (S, D) of a support set, labels (S,) and all labels (N,) -> (N, D), by which the posterior's variances
    are multiplied: within e^3 and its inverse, and 1 before training."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, prior: ClassPrior, support: Tensor, labels: Tensor, ways: Tensor) -> Tensor:
        places = prior.coordinates(support)
        counts = (labels == ways[:, None]).sum(1, keepdim=True)
        means = class_means(places, labels, ways)
        squares = class_means(places.square(), labels, ways) - means.square()
        spread = (squares * counts / (counts - 1).clamp_min(1)).clamp_min(0).log1p()
        known = means / (1 + prior.between).sqrt()
        numbers = [known, known.abs(), spread, prior.between.log()]
        numbers += [known.square().mean(1, keepdim=True), spread.mean(1, keepdim=True), counts.log()]
        inputs = torch.stack([part.expand_as(known) for part in numbers], -1).to(self.hidden.weight.dtype)
        return self.out(torch.tanh(self.hidden(inputs))).squeeze(-1).clamp(-LARGEST_LOG, LARGEST_LOG).exp()


def trained_on(
    prior: ClassPrior, features: Tensor, labels: Tensor, shape: tuple[int, int, int], seed: int
) -> VarianceNetwork:
    """A network that makes queries of episodes of `shape` (n_way, k_shot, n_query) likely in their classes, from
    features (M, D) of train classes with labels (M,). Raises ValueError where these have too few images or classes."""
    n_way, k_shot, n_query = shape
    places = [torch.nonzero(labels == label).squeeze(1) for label in labels.unique()]
    if len(places) < n_way or min(map(len, places)) < k_shot + n_query:
        raise ValueError(f"an episode of {n_way} classes of {k_shot} + {n_query} images is more than there are")
    generator, ways = np.random.default_rng(seed), torch.arange(n_way)
    with seeded(seed):
        network = VarianceNetwork()
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    for _ in range(EPISODES):
        chosen = [places[place] for place in generator.choice(len(places), n_way, replace=False)]
        drawn = torch.stack([own[generator.permutation(len(own))[: k_shot + n_query]] for own in chosen])
        support, query = (features[part.flatten()] for part in drawn.split((k_shot, n_query), 1))
        support_labels = ways.repeat_interleave(k_shot)
        known = class_means(support, support_labels, ways)
        factors = network(prior, support, support_labels, ways)
        logits = log_chances(prior, known, torch.full((n_way,), k_shot), query, factors)[0]
        loss = F.cross_entropy(logits, ways.repeat_interleave(n_query))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval().requires_grad_(False)
