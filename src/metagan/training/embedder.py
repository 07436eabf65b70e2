"""Prototypical embedders: the features that evaluation measures in, and those inside an outer objective."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from metagan.domains import domain_of
from metagan.errors import UserError
from metagan.nets.randomness import seeded
from metagan.parameters import EmbedderArchitecture, EmbedderNetwork, Example
from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.tasks.sampling import Episode, episode
from metagan.tasks.streams import TaskStream, task_stream
from metagan.training.saved import EmbedderHeader, Provenance, SavedModel, detached


class EmbedderTraining:
    """An embedder while it is trained: prototypical networks (Snell et al. 2017, equation 2: squared Euclidean distance
    to the class means), with a one-cycle learning rate over all of `settings.episodes`."""

    def __init__(self, example: Example, settings: EmbedderNetwork, seed: int) -> None:
        self.settings, self.done = settings, 0
        self.architecture = EmbedderArchitecture(
            width=settings.width,
            feature_size=settings.feature_size,
            domain=example.domain,
            shape=example.shape,
        )
        with seeded(seed):
            self.network = domain_of(self.architecture).embedder(self.architecture)
        self.optimiser = torch.optim.Adam(self.network.parameters(), settings.learning_rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, settings.learning_rate, total_steps=settings.episodes
        )

    def go_on(self, stream: TaskStream, episodes: int, progress: bool = False) -> None:
        """The next so many episodes, from a stream whose tasks are told by how many were before."""
        wanted = self.settings
        self.network.train()
        for _ in trange(episodes, desc="embedder", unit="episode", disable=not progress):
            drawn = stream.episode("train", self.done, wanted.n_way, wanted.k_shot, wanted.n_query)
            loss = F.cross_entropy(*prototype_logits(self.network, drawn))
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            self.done += 1


def train_embedder(
    bank: TaskBank, settings: EmbedderNetwork, seed: int, progress: bool = True, in_turn: Sequence[ClassIndices] = ()
) -> SavedModel[EmbedderHeader]:
    """Train on the train classes alone, all of them or the parts `in_turn`, and return what `load_embedder` reads.

    Raises UserError when `n_way` is larger than the chosen train classes.
    """
    seed, started = seed + settings.seed_offset, perf_counter()
    classes = bank.splits["train"]
    half = len(classes) // 2
    classes = {"all": classes, "first": classes[:half], "second": classes[half:]}[settings.class_half]
    if settings.n_way > len(classes):
        raise UserError(
            f"embedder: n_way is {settings.n_way}, but there are only {len(classes)} train classes; lower "
            "embedder.evaluation.n_way and embedder.objective.n_way"
        )
    training = EmbedderTraining(bank.example, settings, seed)
    training.go_on(task_stream(bank, seed, settings.stream, *(in_turn or [classes])), settings.episodes, progress)
    provenance = Provenance(seed=seed, seconds=perf_counter() - started, made_from=bank.identity)
    header = EmbedderHeader(architecture=training.architecture, provenance=provenance)
    return SavedModel(header, detached(training.network.state_dict()))


def load_embedder(saved: SavedModel[EmbedderHeader], bank: TaskBank) -> nn.Module:
    """A frozen network, (N, C, H, W) in [0, 1] -> (N, feature_size).

    Raises UserError for weights of another kind, and for other images than those of the bank.
    """
    saved.check_kind("embedder")
    architecture = saved.header.architecture
    bank.check_example("embedder", architecture, "run the pipeline embedder again")
    with seeded(0):
        network = domain_of(architecture).embedder(architecture)
    network.load_state_dict(saved.state)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def few_shot_accuracy(
    embedder: nn.Module, bank: TaskBank, split: str, n_way: int, k_shot: int, episodes: int, seed: int
) -> float:
    """Share of query images that are nearest to their own class's prototype, over `episodes` episodes."""
    correct = []
    for index in range(episodes):
        logits, labels = prototype_logits(embedder, episode(bank, split, seed, index, n_way, k_shot, 1))
        correct.append((logits.argmax(1) == labels).float().mean())
    return torch.stack(correct).mean().item()


def prototype_logits(network: nn.Module, drawn: Episode) -> tuple[Tensor, Tensor]:
    """(N Q, N) negative squared distances of the query images to the prototypes, and (N Q,) labels."""
    n_way, k_shot = drawn.support.shape[:2]
    n_query = drawn.query.shape[1]
    features = network(torch.cat([drawn.support.flatten(0, 1), drawn.query.flatten(0, 1)]))
    prototypes = features[: n_way * k_shot].view(n_way, k_shot, -1).mean(1)
    distances = (features[n_way * k_shot :, None] - prototypes).square().sum(2)
    return -distances, torch.arange(n_way).repeat_interleave(n_query)
