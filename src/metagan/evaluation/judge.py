"""The judge of robustness: attacks by libraries that know nothing of how a classifier was trained."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import eagerpy
import torch

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # foolbox imports GitPython, which else needs git
from foolbox import PyTorchModel, attacks
from torch import Tensor, nn

from metagan.errors import UserError
from metagan.nets.randomness import seeded

Predictor: TypeAlias = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) in [0, 1] -> logits (N, n_way), differentiable in the images alone: parameters are detached."""

AttackName = Literal["fgsm", "pgd", "auto_attack"]
Norm = Literal["linf", "l2"]


@dataclass(frozen=True)
class EpisodeModel:
    """A network that is adapted to the support set of one episode, and what it is to recognise.

    query (N, C, H, W) in [0, 1], labels (N,) int64. A transductive network answers for the queries together, so all
    of them are attacked at once; of an inductive one only those that still stand are.
    """

    predict: Predictor
    query: Tensor
    labels: Tensor
    transductive: bool = True


@dataclass(frozen=True)
class Threat:
    """An attack on images in [0, 1] within a ball of radius epsilon; `steps` and `restarts` are for PGD."""

    attack: AttackName
    norm: Norm
    epsilon: float
    steps: int = 20
    restarts: int = 1


def correct(predict: Predictor, images: Tensor, labels: Tensor) -> Tensor:
    """Which of the images (N, C, H, W) are recognised: bool (N,)."""
    with torch.no_grad():
        return predict(images).argmax(1) == labels


def withstanding(model: EpisodeModel, threat: Threat, standing: Tensor, seed: int) -> Tensor:
    """Those of the `standing` queries, bool (N,), that are recognised after every restart of an attack: bool (N,)."""
    for restart in range(threat.restarts if threat.attack == "pgd" else 1):
        if not standing.any():
            break
        chosen = torch.ones_like(standing) if model.transductive else standing
        labels = model.labels[chosen]
        attacked = attack_images(model.predict, model.query[chosen], labels, threat, seed + restart)
        survivors = torch.zeros_like(standing)
        survivors[chosen] = correct(model.predict, attacked, labels)
        standing = standing & survivors
    return standing


def attack_images(predict: Predictor, images: Tensor, labels: Tensor, threat: Threat, seed: int) -> Tensor:
    """Images (N, C, H, W) in [0, 1] -> attacked images in the ball and in [0, 1]; the same for the same seed.

    FGSM (Goodfellow et al. 2015) and PGD (Madry et al. 2018) by foolbox, PGD from a random start in steps of
    2.5 epsilon / steps, since foolbox's own are too short; AutoAttack (Croce and Hein 2020) by pyautoattack.

    Raises:
        ValueError: AutoAttack is not installed, or the network has fewer than four ways.
    """
    network = _Network(predict).eval()
    if threat.attack == "auto_attack":
        return _auto_attack(network, images, labels, threat, seed)
    model = PyTorchModel(network, bounds=(0, 1), device=images.device)
    return _foolbox_attack(threat, seed).run(model, images, labels, epsilon=threat.epsilon)


class _Network(nn.Module):
    """The network as a module, with its logits scaled down to a span of at most 10.

    That changes no prediction, and a confident network cannot hide its gradients in a saturated cross-entropy
    (Carlini and Wagner 2016, arXiv 1607.04311).
    """

    def __init__(self, predict: Predictor) -> None:
        super().__init__()
        self.predict = predict

    def forward(self, images: Tensor) -> Tensor:
        logits = self.predict(images)
        lowest, highest = logits.detach().aminmax(dim=1, keepdim=True)
        return logits * (10 / (highest - lowest)).clamp(max=1)


def _foolbox_attack(threat: Threat, seed: int) -> attacks.FixedEpsilonAttack:
    if threat.attack == "fgsm":
        return {"linf": attacks.LinfFastGradientAttack, "l2": attacks.L2FastGradientAttack}[threat.norm]()
    step_size = 2.5 * threat.epsilon / threat.steps
    pgd = {"linf": _SeededLinfPGD, "l2": _SeededL2PGD}[threat.norm](abs_stepsize=step_size, steps=threat.steps)
    pgd.seed = seed
    return pgd


class _SeededStart:
    """Foolbox draws random starts from the global generator, which the threads would otherwise share."""

    seed: int

    def get_random_start(self, x0: eagerpy.Tensor, epsilon: float) -> eagerpy.Tensor:
        with seeded(self.seed):
            return super().get_random_start(x0, epsilon)  # type: ignore[misc]


class _SeededLinfPGD(_SeededStart, attacks.LinfProjectedGradientDescentAttack):
    pass


class _SeededL2PGD(_SeededStart, attacks.L2ProjectedGradientDescentAttack):
    pass


def _auto_attack(network: nn.Module, images: Tensor, labels: Tensor, threat: Threat, seed: int) -> Tensor:
    try:
        from pyautoattack import AutoAttack
    except ImportError:
        raise UserError("robustness.auto_attack needs pyautoattack: pip install pyautoattack") from None
    with torch.no_grad():
        n_way = network(images).shape[1]
    if n_way < 4:
        raise UserError(f"robustness.auto_attack needs robustness.n_way of at least 4, not {n_way}")
    norm = {"linf": "Linf", "l2": "L2"}[threat.norm]
    judge = AutoAttack(network, norm=norm, eps=threat.epsilon, seed=seed, device=images.device)
    judge.apgd_targeted.n_target_classes = judge.fab.n_target_classes = min(9, n_way - 1)
    with seeded(seed):
        return judge.run_standard_evaluation(images, labels, batch_size=len(images))[0]
