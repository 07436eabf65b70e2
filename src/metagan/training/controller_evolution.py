"""Training of the controller of whole GAN trainings by evolution strategies, resumably.

Each stack of trainings holds antithetic pairs of one problem each: the same classes, settings and random numbers. A
pair keeps its disturbance for a whole training, and after every block of steps its difference moves the weights
(noise-reuse evolution strategies, arXiv 2304.12180). Persistent evolution, with a new disturbance for each block, was
tried first: its estimates were of so much noise that the controller became worse.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from metagan.evaluation.features import blank_where_diverged, diverged, embed_images
from metagan.evaluation.frechet import frechet_distance
from metagan.identity import together
from metagan.parameters import TrainWithRule
from metagan.tasks.bank import TaskBank
from metagan.training import resumed
from metagan.training.controlled_training import INPUTS, OUTPUTS, ControlledTrainings, controlled_by, first_weights
from metagan.training.embedder import load_embedder
from metagan.training.fitting import fingerprint
from metagan.training.gan_stack import GanStack
from metagan.training.resumed import Row
from metagan.training.saved import ControllerHeader, EmbedderHeader, Provenance, SavedModel, detached
from metagan.training.whole_gan import architecture_for, check_classes, images_of

BOUNDS = (-3.0, 5.0)
"""Of the logarithm of a distance: no diverged training decides alone."""
_PROBLEMS, _DISTURBANCES, _MOST_PROBLEMS = 11, 12, 1_000_000


class Problem(NamedTuple):
    """One training: its images (N, C, H, W), what seeds it, its rates (2,), and the weight of R1."""

    images: Tensor
    seed: int
    rates: Tensor
    r1: float


class Pairs:
    """Pairs of trainings of one architecture; those of pair i have the places 2 i and 2 i + 1 of the stack."""

    def __init__(self, bank: TaskBank, settings: TrainWithRule, wide: bool, seed: int) -> None:
        self.bank, self.settings, self.wide, self.seed = bank, settings, wide, seed
        count, gan = settings.controller.wide_pairs if wide else settings.controller.pairs, settings.gan
        self.blocks = gan.steps // settings.controller.block
        self.problems = list(range(count))
        begun = [self.problem(number) for number in self.problems for _ in range(2)]
        architecture = architecture_for(bank, gan, wide)
        r1 = torch.tensor([each.r1 for each in begun])
        self.stack = GanStack(
            architecture,
            [each.images for each in begun],
            [each.seed for each in begun],
            r1,
            settings.controller.batch_size,
        )
        rates = torch.stack([each.rates for each in begun])
        self.trainings = ControlledTrainings(self.stack, rates, gan.steps, gan.interval)
        self.disturbances = torch.stack([self.disturbance(number) for number in self.problems])
        # The first trainings end after different numbers of blocks, so that ages are spread at each update.
        self.left = torch.arange(count) * self.blocks // count + 1

    def problem(self, number: int) -> Problem:
        """Train classes and settings at random: a pure function of its number."""
        own = self.settings.controller
        generator = np.random.default_rng([self.seed, _PROBLEMS, int(self.wide), number])
        images = images_of(self.bank, "train", self.settings.gan.classes, generator)
        factors = own.rate_range ** generator.uniform(-1, 1, 2)
        rates = torch.tensor([own.generator_rate * factors[0], own.discriminator_rate * factors[1]]).float()
        r1 = 0.0 if generator.random() < own.without_r1 else self.settings.gan.r1
        seed = 2 * ((2 * self.seed + int(self.wide)) * _MOST_PROBLEMS + number)
        return Problem(images, seed, rates, r1)

    def disturbance(self, number: int) -> Tensor:
        """(OUTPUTS, INPUTS) standard normal, of a problem."""
        generator = np.random.default_rng([self.seed, _DISTURBANCES, int(self.wide), number])
        return torch.from_numpy(generator.standard_normal((OUTPUTS, INPUTS))).float()

    def estimate(self, weights: Tensor, embed: nn.Module) -> tuple[Tensor, Tensor]:
        """The gradient of the logarithm of the distance after the next block, of each pair, and the logarithms (P,)."""
        own = self.settings.controller
        moves = torch.stack([self.disturbances, -self.disturbances], 1).flatten(0, 1) * own.deviation
        self.trainings.advance(controlled_by(weights + moves), own.block // self.settings.gan.interval)
        scores = self.scores(embed)
        differences = (scores[0::2] - scores[1::2]) / (2 * own.deviation)
        gradients = self.disturbances * differences[:, None, None]
        self._renew()
        return gradients, scores

    def scores(self, embed: nn.Module) -> Tensor:
        """(P,) logarithms of the Frechet distance of samples and training images, within bounds."""
        samples = self.stack.samples(self.settings.controller.samples)
        found = []
        for own, made in zip(self.stack.images, blank_where_diverged(samples), strict=True):
            real = own[torch.linspace(0, len(own) - 1, len(made)).round().long()]
            found.append(frechet_distance(embed_images(embed, made), embed_images(embed, real)))
        scores = torch.tensor(found).clamp_min(1e-6).log().clamp(*BOUNDS).float()
        return scores.masked_fill(diverged(samples).any(1), BOUNDS[1])

    def _renew(self) -> None:
        self.left -= 1
        for pair in (self.left == 0).nonzero()[:, 0].tolist():
            self.problems[pair] += len(self.problems)
            self.left[pair], self.disturbances[pair] = self.blocks, self.disturbance(self.problems[pair])
            fresh = self.problem(self.problems[pair])
            for place in (2 * pair, 2 * pair + 1):
                self.stack.begin_anew(place, fresh.images, fresh.seed, fresh.r1)
                self.trainings.begin_anew(place, fresh.rates)

    def state(self) -> dict[str, Any]:
        rates, memory = self.trainings.rates, self.trainings.memory
        own = {"problems": self.problems, "left": self.left, "rates": rates, "memory": memory}
        return {**own, "stack": self.stack.state()}

    def load(self, state: dict[str, Any]) -> None:
        self.problems, self.left = state["problems"], state["left"]
        self.disturbances = torch.stack([self.disturbance(number) for number in self.problems])
        self.trainings.rates, self.trainings.memory = state["rates"], state["memory"]
        self.stack.images = [self.problem(number).images for number in self.problems for _ in range(2)]
        self.stack.load(state["stack"])


class Evolution:
    """The controller's weights on their way."""

    def __init__(self, bank: TaskBank, settings: TrainWithRule, embed: nn.Module, seed: int) -> None:
        self.settings, self.embed, self.seed = settings.controller, embed, seed
        self.stacks = [Pairs(bank, settings, wide, seed) for wide in (False, True)]
        self.weights = nn.Parameter(first_weights())
        self.average = first_weights()
        self.optimiser = torch.optim.Adam([self.weights], self.settings.learning_rate, betas=(0.9, 0.99))
        self.history: list[Row] = []

    def update(self) -> None:
        """One block of steps of every training, and a step of the weights."""
        done = len(self.history)
        gradients, scores = [], []
        for stack in self.stacks:
            found = stack.estimate(self.weights.detach(), self.embed)
            gradients.append(found[0])
            scores.append(found[1])
        self.weights.grad = torch.cat(gradients).mean(0)
        self.optimiser.param_groups[0]["lr"] = self.settings.learning_rate * (1 - 0.9 * done / self.settings.updates)
        self.optimiser.step()
        decay = min(self.settings.average_decay, done / (done + 1))
        self.average = decay * self.average + (1 - decay) * self.weights.detach()
        every = torch.cat(scores)
        bad = (every >= BOUNDS[1]).double().mean().item()
        self.history.append({"update": done + 1, "log_distance": every.mean().item(), "diverged": bad})

    def state(self) -> dict[str, Any]:
        return {
            "weights": self.weights.detach(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "stacks": [stack.state() for stack in self.stacks],
        }

    def load(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            self.weights.copy_(state["weights"])
        self.average, self.history = state["average"], state["history"]
        self.optimiser.load_state_dict(state["optimiser"])
        for stack, own in zip(self.stacks, state["stacks"], strict=True):
            stack.load(own)


def train_controller(
    bank: TaskBank,
    objective_embedder: SavedModel[EmbedderHeader],
    settings: TrainWithRule,
    seed: int,
    folder: Path,
    report: Callable[[Row], None],
) -> tuple[SavedModel[ControllerHeader], list[Row]]:
    """A controller trained on train classes, and a row for each update; an interrupted training goes on from `folder`.

    `report` gets each row.
    """
    check_classes(bank, settings.gan.classes)
    origin = together(
        "train_with_rule",
        task_bank=bank.identity,
        objective_embedder=objective_embedder.identity("objective_embedder"),
    )
    evolution = Evolution(bank, settings, load_embedder(objective_embedder, bank), seed)
    hashes = (bank.content_hash, objective_embedder.content_hash, settings.gan.model_dump_json())
    folder = folder / fingerprint(settings.controller, seed, *hashes)
    seconds = resumed.run("controller", evolution, settings.controller.updates, folder, report)
    provenance = Provenance(seed=seed, seconds=seconds, meta_step=len(evolution.history), made_from=origin)
    header = ControllerHeader(provenance=provenance, inputs=INPUTS)
    return SavedModel(header, detached({"weights": evolution.average})), evolution.history
