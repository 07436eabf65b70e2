"""Meta-training of few-shot classifiers, with and without an adversary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor

from metagan.errors import UserError
from metagan.losses.attacks import perturb
from metagan.meta.adversary import Predict
from metagan.meta.differentiation import Parameters
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.classifier import (
    STATISTICS,
    ClassifierLearner,
    FeatureLearner,
)
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.methods import METHODS
from metagan.meta.task_parallel import TaskFunction
from metagan.meta.update_rules import Rules
from metagan.nets.conv4 import Statistics
from metagan.parameters import AdversarySettings, ClassifierSettings, Trainer
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import TaskStream, task_stream
from metagan.training.classifier import architecture_of, build_attack, few_shot_classifier, initial_classifier
from metagan.training.episodes import episode_task, stacked
from metagan.training.fitting import fingerprint, fit
from metagan.training.outer_loop import OuterLoop, Row, best_average, step_weights
from metagan.training.saved import ClassifierHeader, Provenance, SavedModel, detached
from metagan.training.train_classes import with_prior

STATISTICS_EPISODES = 20
# Of the query loss after the first inner step where all steps count. Antoniou et al. 2019 (arXiv 1810.09502, section 4)
# let the earlier steps fade out while training goes on; here they count less from the start.
FIRST_STEP_WEIGHT = 0.2
VALIDATION_PGD_STEPS = 5


class ClassifierTraining(OuterLoop):
    """The outer loop of a classifier: episodes of train classes, selected by accuracy on the val classes.

    With an adversary the score is the mean of natural and robust accuracy, the latter under PGD of the same ball.
    """

    learner: ClassifierLearner
    settings: ClassifierSettings

    def __init__(
        self,
        bank: TaskBank,
        learner: ClassifierLearner,
        rules: Rules,
        start: Parameters,
        settings: ClassifierSettings,
        seed: int,
    ) -> None:
        super().__init__(learner, rules, start, settings)
        self.bank, self.seed = bank, seed
        self.stream = task_stream(bank, seed, settings.stream)

    def train_tasks(self, indices: range) -> TaskTensors:
        settings = self.settings
        shape = (settings.n_way, settings.k_shot, settings.n_query, settings.adversary.norm)
        return stacked([episode_task(self.stream, "train", index, *shape) for index in indices])

    def task_loss(self) -> TaskFunction:
        settings = self.settings
        method = METHODS[settings.method]
        steps = settings.inner.steps if method.adapts is not None else 1
        weights = step_weights(steps, FIRST_STEP_WEIGHT) if settings.multi_step_loss else [0.0] * (steps - 1) + [1.0]
        return self.loss_by(META_GRADIENTS[method.meta_gradient], weights)

    def measure(self) -> Row:
        settings = self.settings
        state = {**self.fixed_parameters, **self.meta_parameters(averaged=True)}
        state = with_statistics(state, self.learner, self.bank, settings, self.seed)
        state = with_prior(state, self.learner, self.bank, settings, self.seed)
        classifier = few_shot_classifier(
            settings, architecture_of(self.bank, settings), self.learner, self.rules, state
        )
        unseen, classes = task_stream(self.bank, self.seed), len(self.bank.splits["val"])
        shape = (min(settings.n_way, classes), settings.validation_shots or settings.k_shot, settings.n_query)
        tasks = (
            episode_task(unseen, "val", index, *shape, norm=settings.adversary.norm)
            for index in range(settings.validation_tasks)
        )
        natural, robust = [], []
        attack = build_attack(settings.adversary.model_copy(update={"attack": "pgd", "steps": VALIDATION_PGD_STEPS}))
        for task in tasks:
            task = {name: value.to(self.device) for name, value in task.items()}
            predict, query, labels = classifier.predictor(task), task["query"], task["query_labels"]
            natural.append(accuracy(predict, query, labels))
            if settings.adversary.where != "none":
                attacked = perturb(loss_of(predict, labels), query, attack, task["query_start"])
                robust.append(accuracy(predict, attacked, labels))
        row = {"val/accuracy": sum(natural) / len(natural)}
        if robust:
            row["val/robust_accuracy"] = sum(robust) / len(robust)
        return {**row, "val/score": sum(row.values()) / len(row)}


def train_classifier(
    bank: TaskBank, settings: ClassifierSettings, trainer: Trainer, seed: int, folder: Path, logger: Logger | None
) -> tuple[SavedModel[ClassifierHeader], list[Row]]:
    """Meta-train and return the averaged meta-parameters that scored best on the val classes, and the history.

    An interrupted training with the same parameters and task bank goes on from `folder`. Raises UserError when the
    train split has fewer than `n_way` classes.
    """
    if settings.n_way > (found := len(bank.splits["train"])):
        raise UserError(f"classifier.n_way: {settings.n_way}, but the train split has only {found} classes")
    if settings.adversary.where == "none":  # one training, whatever attack is not made
        settings = settings.model_copy(update={"adversary": AdversarySettings()})
    learner, rules, start = initial_classifier(bank, settings, seed)
    module = ClassifierTraining(bank, learner, rules, start, settings, seed)
    folder = folder / fingerprint(settings, seed, module.stream.name)
    fit(module, folder, logger, trainer, settings.validate_every)
    state, meta_step = best_average(module)
    state = with_statistics(state, learner, bank, settings, seed)
    state = with_prior(state, learner, bank, settings, seed)
    header = ClassifierHeader(
        architecture=architecture_of(bank, settings),
        settings=settings,
        provenance=Provenance(seed=seed, seconds=module.seconds, meta_step=meta_step, made_from=bank.identity),
    )
    return SavedModel(header, detached(state)), module.history


def with_statistics(
    parameters: Parameters, learner: ClassifierLearner, bank: TaskBank, settings: ClassifierSettings, seed: int
) -> Parameters:
    """For a network that stays as it is, add the BatchNorm statistics of train images: the mean over episodes."""
    # Of the classes that training sees, but of images as a test has them.
    stream = task_stream(bank, seed, [name for name in settings.stream if name != "jittered"])
    return with_statistics_of(parameters, learner, stream, settings, range(STATISTICS_EPISODES))


def with_statistics_of(
    parameters: Parameters,
    learner: ClassifierLearner,
    stream: TaskStream,
    settings: ClassifierSettings,
    indices: Iterable[int],
) -> Parameters:
    """The same of certain episodes of a stream."""
    if learner.transductive or not isinstance(learner, FeatureLearner):
        return parameters
    shape = (settings.n_way, settings.k_shot, settings.n_query)
    seen: list[Statistics] = []
    for index in indices:
        task = episode_task(stream, "train", index, *shape)
        device = next(iter(parameters.values())).device
        with torch.no_grad():
            learner.apply(parameters, torch.cat([task["support"], task["query"]]).to(device), found=(found := []))
        seen.append(found)
    named = {}
    for block, pairs in enumerate(zip(*seen, strict=True)):
        for name, values in zip(("mean", "variance"), zip(*pairs, strict=True), strict=True):
            named[f"{STATISTICS}{block}.{name}"] = torch.stack(values).mean(0)
    return {**parameters, **named}


def accuracy(predict: Predict, images: Tensor, labels: Tensor) -> float:
    """Share of the images that are recognised."""
    with torch.no_grad():
        return (predict(images).argmax(1) == labels).float().mean().item()


def loss_of(predict: Predict, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """Cross-entropy as a function of the images."""
    return lambda images: torch.nn.functional.cross_entropy(predict(images), labels)
