"""The parameters of one run, and what must go together in them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from metagan.errors import UserError
from metagan.parameters import example
from metagan.parameters.adapt import Adapt
from metagan.parameters.augment import Augment
from metagan.parameters.bandits import Bandits
from metagan.parameters.certainty import CertaintySettings
from metagan.parameters.classifier import ClassifierSettings
from metagan.parameters.compare import CompareClassifiers, CompareMetaGradients
from metagan.parameters.compare_rules import CompareRules
from metagan.parameters.continual import Continual
from metagan.parameters.control import Control
from metagan.parameters.embedder import EmbedderNetwork, EmbedderSettings
from metagan.parameters.evaluate import Evaluate
from metagan.parameters.evaluate_speech import EvaluateSpeech
from metagan.parameters.invent import Invent
from metagan.parameters.leaderboard import Leaderboard
from metagan.parameters.messages import line
from metagan.parameters.meta_train import MetaTrain
from metagan.parameters.one_shot import OneShot
from metagan.parameters.report import Report
from metagan.parameters.robustness import RobustnessSettings
from metagan.parameters.section import Section, merged, valid_section
from metagan.parameters.tasks import Tasks
from metagan.parameters.text import TextSettings
from metagan.parameters.train_with_rule import TrainWithRule
from metagan.parameters.trainer import Trainer


class RunSettings(Section):
    """Everything under `conf/<environment>/parameters*.yml`."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    tasks: Tasks = Tasks()
    embedder: EmbedderSettings = EmbedderSettings()
    meta_train: MetaTrain = MetaTrain()
    evaluate: Evaluate = Evaluate()
    classifier: ClassifierSettings = ClassifierSettings()
    trainer: Trainer = Trainer()
    compare_classifiers: CompareClassifiers = CompareClassifiers()
    compare_meta_gradients: CompareMetaGradients = CompareMetaGradients()
    compare_rules: CompareRules = CompareRules()
    robustness: RobustnessSettings = RobustnessSettings()
    certainty: CertaintySettings = CertaintySettings()
    adapt: Adapt = Adapt()
    augment: Augment = Augment()
    report: Report = Report()
    leaderboard: Leaderboard = Leaderboard()
    bandits: Bandits = Bandits()
    control: Control = Control()
    one_shot: OneShot = OneShot()
    invent: Invent = Invent()
    text: TextSettings = TextSettings()
    train_with_rule: TrainWithRule = TrainWithRule()
    continual: Continual = Continual()
    evaluate_speech: EvaluateSpeech = EvaluateSpeech()

    @model_validator(mode="after")
    def _classes_are_large_enough(self) -> RunSettings:
        size = self.tasks.smallest_class
        users: dict[str, EmbedderNetwork | MetaTrain | Evaluate | ClassifierSettings] = {
            "embedder.evaluation": self.embedder.evaluation,
            "embedder.objective": self.embedder.objective,
            "embedder.judge": self.embedder.judge,
            "meta_train": self.meta_train,
            "evaluate": self.evaluate,
            "classifier": self.classifier,
        }
        episodes = [(name, "k_shot", settings.k_shot, settings.n_query) for name, settings in users.items()]
        episodes += [
            ("classifier", "validation_shots", self.classifier.validation_shots or 0, self.classifier.n_query),
            ("robustness", "k_shot", max(self.robustness.k_shot), self.robustness.n_query),
            ("certainty", "k_shot", self.certainty.k_shot, self.certainty.n_query),
            ("evaluate", "use.k_shots", max(self.evaluate.use.k_shots), self.evaluate.n_query),
        ]
        for name, field, shots, n_query in episodes:
            if shots + n_query > size:
                raise ValueError(
                    f"{name}.n_query: {field} + n_query = {shots} + {n_query} is more than"
                    f" the {size} examples of a class of {self.tasks.source}"
                )
        return self

    @model_validator(mode="after")
    def _head_fits(self) -> RunSettings:
        self.robustness.check_head(self.classifier)
        return self

    @model_validator(mode="after")
    def _attacks_have_a_meaning(self) -> RunSettings:
        domain = self.tasks.domain
        if domain in example.WITHOUT_ATTACKS:
            has_none = f"the domain {domain} of the source {self.tasks.source} has no attacks"
            if self.classifier.adversary.where != "none":
                raise ValueError(f"classifier.adversary.where: must be none: {has_none}")
            if self.robustness.attacks:
                raise ValueError(f"robustness.linf_epsilons: must be empty, as must l2_epsilons: {has_none}")
        return self

    @model_validator(mode="after")
    def _processes_share_evenly(self) -> RunSettings:
        for section in (self.meta_train, self.classifier):
            self.trainer.check_share(f"{section.section}.tasks_per_step", section.tasks_per_step)
        self.trainer.check_share("meta_train.joint.batch_size", self.meta_train.joint.batch_size)
        return self

    @model_validator(mode="after")
    def _arms_are_possible(self) -> RunSettings:
        for arm, changes in self.compare_meta_gradients.arms.items():
            whole = merged(merged(self.meta_train.model_dump(), changes), self.compare_meta_gradients.budget)
            name = f"compare_meta_gradients.arms.{arm}"
            valid_section(name, MetaTrain, whole)
            self.trainer.check_share(f"{name}.tasks_per_step", whole["tasks_per_step"])
        own = self.continual
        gan = valid_section("continual.training", MetaTrain, merged(self.meta_train.model_dump(), own.training))
        of_classifier = merged(self.classifier.model_dump(), own.classifier)
        classifier = valid_section("continual.classifier", ClassifierSettings, of_classifier)
        own.check_training(gan if own.learner == "gan" else classifier)
        for method, (adversary, changes) in product(
            self.compare_classifiers.methods, self.compare_classifiers.adversaries.items()
        ):
            whole = merged(self.classifier.model_dump(), {"method": method, "adversary": changes})
            valid_section(f"compare_classifiers.adversaries.{adversary}", ClassifierSettings, whole)
        return self


def validate(raw: Mapping[str, object]) -> RunSettings:
    """The parameters of one run; raises UserError with one line for each bad parameter, by its full dotted name."""
    try:
        return RunSettings.model_validate(raw)
    except ValidationError as error:
        raise UserError("\n".join(line(details, RunSettings) for details in error.errors())) from None
