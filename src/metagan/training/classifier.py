"""Meta-training of few-shot classifiers, with and without an adversary."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor

from metagan.errors import UserError
from metagan.losses.attacks import Attack, fgsm, perturb, pgd
from metagan.meta.adaptation import adapt
from metagan.meta.adversary import Adversary, Predict
from metagan.meta.differentiation import Parameters, by_autograd
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.classifier import (
    NORMS,
    PREFIX,
    STATISTICS,
    ClassifierLearner,
    FeatureLearner,
    at_step,
    constants,
    with_norms_per_step,
)
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.methods import METHODS
from metagan.meta.task_parallel import TaskFunction
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, shared_rule
from metagan.nets.conv4 import Statistics
from metagan.nets.randomness import seeded
from metagan.parameters import AdversarySettings, Classifier, ClassifierArchitecture, Trainer
from metagan.tasks.bank import TaskBank
from metagan.training.episodes import episode_task, stacked
from metagan.training.fitting import fingerprint, fit
from metagan.training.outer_loop import OuterLoop, Row, best_average, step_weights
from metagan.training.saved import ClassifierHeader, Provenance, SavedModel, detached

STATISTICS_EPISODES = 20
# Of the query loss after the first inner step where all steps count. Antoniou et al. 2019 (arXiv 1810.09502, section 4)
# let the earlier steps fade out while training goes on; here they count less from the start.
FIRST_STEP_WEIGHT = 0.2
VALIDATION_PGD_STEPS = 5


@dataclass
class FewShotClassifier:
    """A trained classifier, ready to meet new tasks."""

    method: str
    learner: ClassifierLearner
    rules: Rules
    parameters: Parameters
    steps: int
    architecture: ClassifierArchitecture
    is_transductive: bool

    def predictor(self, task: TaskTensors) -> Predict:
        """Adapt to the task's support set."""
        *_, (parameters, _) = adapt(self.learner, self.rules, self.parameters, task, self.steps, by_autograd, False)
        return self.learner.predictor(constants(at_step(parameters, self.steps)), task)

    def fits(self, n_way: int) -> bool:
        """Whether it can be asked about so many classes."""
        return n_way == self.architecture.n_way or METHODS[self.method].fits_any_way

    def check_fit(self, bank: TaskBank, n_way: int) -> None:
        """Raises UserError when the network fits neither the number of ways nor the images."""
        trained = self.architecture
        if not self.fits(n_way):
            raise UserError(
                f"robustness.n_way: {n_way}, but this {self.method} classifier was trained for {trained.n_way} ways "
                f"and its head fits no other; train one with classifier.n_way={n_way}"
            )
        bank.check_images("classifier", trained.channels, trained.image_size, "train again")


class ClassifierTraining(OuterLoop):
    """The outer loop of a classifier: episodes of train classes, selected by accuracy on the val classes.

    With an adversary the score is the mean of natural and robust accuracy, the latter under PGD of the same ball.
    """

    learner: ClassifierLearner
    settings: Classifier

    def __init__(
        self,
        bank: TaskBank,
        learner: ClassifierLearner,
        rules: Rules,
        start: Parameters,
        settings: Classifier,
        seed: int,
    ) -> None:
        super().__init__(learner, rules, start, settings)
        self.bank, self.seed = bank, seed

    def train_tasks(self, indices: range) -> TaskTensors:
        settings = self.settings
        shape = (settings.n_way, settings.k_shot, settings.n_query, settings.turn_classes, settings.adversary.norm)
        return stacked(
            [episode_task(self.bank, "train", self.seed, index, *shape, settings.jitter) for index in indices]
        )

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
        classifier = few_shot_classifier(
            settings, architecture_of(self.bank, settings), self.learner, self.rules, state
        )
        classes = len(self.bank.splits["val"])
        shape = (min(settings.n_way, classes), settings.validation_shots or settings.k_shot, settings.n_query)
        tasks = (
            episode_task(self.bank, "val", self.seed, index, *shape, norm=settings.adversary.norm)
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
    bank: TaskBank, settings: Classifier, trainer: Trainer, seed: int, folder: Path, logger: Logger | None
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
    folder = folder / fingerprint(settings, seed, bank.content_hash)
    fit(module, folder, logger, trainer, settings.validate_every)
    state, meta_step = best_average(module)
    state = with_statistics(state, learner, bank, settings, seed)
    header = ClassifierHeader(
        architecture=architecture_of(bank, settings),
        settings=settings,
        provenance=Provenance(seed=seed, seconds=module.seconds, meta_step=meta_step, made_from=bank.identity),
    )
    return SavedModel(header, detached(state)), module.history


def load_classifier(saved: SavedModel[ClassifierHeader]) -> FewShotClassifier:
    """The trained classifier of `train_classifier`. Raises UserError for weights of another kind."""
    saved.check_kind("classifier")
    settings, architecture = saved.header.settings, saved.header.architecture
    learner = build_learner(settings, architecture, 0)
    return few_shot_classifier(settings, architecture, learner, rules_of(settings, saved.state), saved.state)


def few_shot_classifier(
    settings: Classifier,
    architecture: ClassifierArchitecture,
    learner: ClassifierLearner,
    rules: Rules,
    state: Parameters,
) -> FewShotClassifier:
    """The learner with trained parameters."""
    return FewShotClassifier(
        settings.method,
        learner,
        rules,
        constants(state),
        settings.inner.test_steps,
        architecture,
        METHODS[settings.method].is_transductive(settings.network.batch_norm),
    )


def architecture_of(bank: TaskBank, settings: Classifier) -> ClassifierArchitecture:
    """Plain values that say which network to build."""
    network = settings.network
    return ClassifierArchitecture(
        channels=bank.channels,
        image_size=bank.image_size,
        width=network.width,
        pooling=network.pooling,
        n_way=settings.n_way,
        base_classes=len(bank.splits["train"]),
    )


def build_learner(settings: Classifier, architecture: ClassifierArchitecture, seed: int) -> ClassifierLearner:
    """The method's learner with a random network."""
    method = METHODS[settings.method]
    with seeded(seed):
        network = method.network(architecture)
    transductive, adversary = settings.network.batch_norm == "transductive", build_adversary(settings.adversary)
    return method.learner(network, transductive, adversary, settings.inner.shots)


def initial_classifier(bank: TaskBank, settings: Classifier, seed: int) -> tuple[ClassifierLearner, Rules, Parameters]:
    """Learner, update rules and first meta-parameters."""
    learner = build_learner(settings, architecture_of(bank, settings), seed)
    inner = settings.inner
    parameters = {PREFIX + name: value.detach() for name, value in learner.network.named_parameters()}
    if settings.per_step_batch_norm:
        parameters = with_norms_per_step(parameters, inner.steps)
    rules, rates = rules_of(settings, parameters), dict.fromkeys(parameters, inner.learning_rate)
    return learner, rules, parameters | initialised(rules, parameters, rates, inner.steps, seed)


def rules_of(settings: Classifier, parameters: Parameters) -> Rules:
    """The update rule, bound to what the method adapts of the network."""
    adapts = METHODS[settings.method].adapts
    if adapts is None:
        return {}
    network = [name for name in parameters if name.startswith(PREFIX)]
    adapted = [name for name in network if re.search(adapts, name.removeprefix(PREFIX))]
    if settings.per_step_batch_norm:
        adapted = [name for name in adapted if NORMS not in name]
    return shared_rule(UPDATE_RULES[settings.inner.update_rule], adapted)


def build_adversary(settings: AdversarySettings) -> Adversary | None:
    """None where nothing is attacked."""
    if settings.where == "none":
        return None
    return Adversary(settings.where, build_attack(settings), settings.loss, settings.weight)


def build_attack(settings: AdversarySettings) -> Attack:
    """The attack that training uses."""
    if settings.attack == "fgsm":
        return fgsm(settings.norm, settings.epsilon, settings.random_start)
    return pgd(settings.norm, settings.epsilon, settings.steps, settings.step_size, settings.random_start)


def with_statistics(
    parameters: Parameters, learner: ClassifierLearner, bank: TaskBank, settings: Classifier, seed: int
) -> Parameters:
    """For a network that stays as it is, add the BatchNorm statistics of train images: the mean over episodes."""
    if learner.transductive or not isinstance(learner, FeatureLearner):
        return parameters
    shape = (settings.n_way, settings.k_shot, settings.n_query, settings.turn_classes)
    seen: list[Statistics] = []
    for index in range(STATISTICS_EPISODES):
        task = episode_task(bank, "train", seed, index, *shape)
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
