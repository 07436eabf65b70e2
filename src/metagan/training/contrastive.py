"""SimCLR (Chen et al. 2020, arXiv 2002.05709): features in which two views of one drawing are near."""

from __future__ import annotations

from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from metagan.domains import Domain, domain_of
from metagan.errors import UserError
from metagan.nets.randomness import seeded
from metagan.parameters import Contrast, EmbedderArchitecture
from metagan.tasks.bank import TaskBank
from metagan.training.saved import EmbedderHeader, Provenance, SavedModel, detached

VIEW_CHANGES = (0.26, 0.29, 0.29, 0.18, 0.2, 0.2)
"""Of `domains.image.moved`: 15 degrees, sizes of 0.75 to 1.33, a shear of 10 degrees, shifts by a tenth of an image."""


def train_contrast(bank: TaskBank, settings: Contrast, seed: int, progress: bool = True) -> SavedModel[EmbedderHeader]:
    """Train on drawings of train classes alone, without their labels; `load_embedder` reads the result.

    The projection behind the features (section 4.2) is left behind. Raises UserError for a batch that is larger than
    the train classes.
    """
    seed, started = seed + settings.seed_offset, perf_counter()
    architecture = EmbedderArchitecture(
        width=settings.width,
        feature_size=settings.feature_size,
        domain=bank.example.domain,
        shape=bank.example.shape,
    )
    domain, places = domain_of(architecture), torch.from_numpy(bank.places("train"))
    if settings.batch_size > len(places):
        raise UserError(f"one_shot.contrast.batch_size: {settings.batch_size}, but there are {len(places)} drawings")
    with seeded(seed):
        network = domain.embedder(architecture)
        projection = nn.Linear(settings.feature_size, settings.projection_size)
    optimiser = torch.optim.Adam([*network.parameters(), *projection.parameters()], settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=settings.steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in trange(settings.steps, desc="contrast", unit="step", disable=not progress):
        chosen = places[torch.randperm(len(places), generator=generator)[: settings.batch_size]]
        images = domain.to_tensor(bank.images[chosen.numpy()])
        views = torch.cat([view(domain, images, generator) for _ in range(2)])
        loss = contrastive_loss(projection(network(views)), settings.temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    provenance = Provenance(seed=seed, seconds=perf_counter() - started, made_from=bank.identity)
    return SavedModel(EmbedderHeader(architecture=architecture, provenance=provenance), detached(network.state_dict()))


def view(domain: Domain, images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W), each moved at random by up to VIEW_CHANGES, in black and white again."""
    return (domain.move_at_random(images, generator, VIEW_CHANGES) >= 0.5).float()


def contrastive_loss(projected: Tensor, temperature: float) -> Tensor:
    """Equation 1 of vectors (2 N, D), the views of N things followed by their other views in the same order."""
    directions = F.normalize(projected, dim=1)
    similarities = directions @ directions.T / temperature
    similarities = similarities.masked_fill(torch.eye(len(projected), dtype=torch.bool), -torch.inf)
    return F.cross_entropy(similarities, torch.arange(len(projected)).roll(len(projected) // 2))
