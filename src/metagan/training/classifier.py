"""What a few-shot classifier of this project is: built and loaded here, and handed to whoever trains or asks it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from metagan.errors import UserError
from metagan.losses.attacks import Attack, fgsm, pgd
from metagan.meta.adaptation import adapt
from metagan.meta.adversary import Adversary, Predict
from metagan.meta.differentiation import Parameters, by_autograd
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.classifier import (
    NORMS,
    PREFIX,
    ClassifierLearner,
    at_step,
    constants,
    with_norms_per_step,
)
from metagan.meta.methods import METHODS
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, shared_rule
from metagan.nets.randomness import seeded
from metagan.parameters import WITH_HEAD, AdversarySettings, ClassifierArchitecture, ClassifierSettings
from metagan.tasks.bank import TaskBank
from metagan.training.saved import ClassifierHeader, SavedModel


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
        return n_way == self.architecture.n_way or self.method not in WITH_HEAD

    def check_fit(self, bank: TaskBank, n_way: int, parameter: str = "robustness.n_way") -> None:
        """Raises UserError, with the parameter, when the network fits neither the number of ways nor the images."""
        trained = self.architecture
        if not self.fits(n_way):
            raise UserError(
                f"{parameter}: {n_way}, but this {self.method} classifier was trained for {trained.n_way} ways "
                f"and its head fits no other; train one with classifier.n_way={n_way}"
            )
        bank.check_example("classifier", trained, "train again")


def load_classifier(saved: SavedModel[ClassifierHeader]) -> FewShotClassifier:
    """The trained classifier of `train_classifier`. Raises UserError for weights of another kind."""
    saved.check_kind("classifier")
    settings, architecture = saved.header.settings, saved.header.architecture
    learner = build_learner(settings, architecture, 0)
    return few_shot_classifier(settings, architecture, learner, rules_of(settings, saved.state), saved.state)


def few_shot_classifier(
    settings: ClassifierSettings,
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


def architecture_of(bank: TaskBank, settings: ClassifierSettings) -> ClassifierArchitecture:
    """Plain values that say which network to build."""
    network = settings.network
    return ClassifierArchitecture(
        domain=bank.example.domain,
        shape=bank.example.shape,
        width=network.width,
        pooling=network.pooling,
        n_way=settings.n_way,
        base_classes=len(bank.splits["train"]),
    )


def build_learner(settings: ClassifierSettings, architecture: ClassifierArchitecture, seed: int) -> ClassifierLearner:
    """The method's learner with a random network."""
    method = METHODS[settings.method]
    with seeded(seed):
        network = method.network(architecture)
    transductive, adversary = settings.network.batch_norm == "transductive", build_adversary(settings.adversary)
    return method.learner(network, transductive, adversary, settings.inner.shots)


def initial_classifier(
    bank: TaskBank, settings: ClassifierSettings, seed: int
) -> tuple[ClassifierLearner, Rules, Parameters]:
    """Learner, update rules and first meta-parameters."""
    learner = build_learner(settings, architecture_of(bank, settings), seed)
    inner = settings.inner
    parameters = {PREFIX + name: value.detach() for name, value in learner.network.named_parameters()}
    if settings.per_step_batch_norm:
        parameters = with_norms_per_step(parameters, inner.steps)
    rules, rates = rules_of(settings, parameters), dict.fromkeys(parameters, inner.learning_rate)
    return learner, rules, parameters | initialised(rules, parameters, rates, inner.steps, seed)


def rules_of(settings: ClassifierSettings, parameters: Parameters) -> Rules:
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
