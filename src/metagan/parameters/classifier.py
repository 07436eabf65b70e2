"""Meta-training of a few-shot classifier."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from metagan.parameters.example import Example
from metagan.parameters.method import MethodName
from metagan.parameters.outer_loop import OuterLoopSettings
from metagan.parameters.section import NonNegative, Plural, Positive, Section
from metagan.parameters.update_rule import UpdateRuleName, learned_rules

ClassifierWidth = Annotated[int, Field(ge=4, le=512)]
Pooling = Literal["max", "stride"]


class ClassifierNetwork(Section):
    width: ClassifierWidth = 64
    pooling: Pooling = "stride"
    batch_norm: Literal["transductive", "inductive"] = "inductive"


class ClassifierArchitecture(Example):
    """What a method builds its network from; `base_classes` is the number of train classes."""

    width: ClassifierWidth
    pooling: Pooling
    n_way: Annotated[int, Field(ge=2, le=100_000)]
    base_classes: Annotated[int, Field(ge=1, le=100_000)]


class ClassifierInner(Section):
    """Inner steps on the support set; methods without them ignore it."""

    steps: Annotated[int, Field(ge=1, le=50)] = 1
    test_steps: Annotated[int, Field(ge=1, le=500)] = 3
    update_rule: UpdateRuleName = "sgd"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.4
    shots: Positive | None = None


class AdversarySettings(Section):
    """Which images training attacks, how, and what it learns from them."""

    where: Literal["none", "support", "query", "both"] = "none"
    attack: Literal["fgsm", "pgd"] = "fgsm"
    norm: Literal["linf", "l2"] = "linf"
    epsilon: NonNegative = 0.1
    steps: Positive = 7
    step_size: Annotated[float, Field(gt=0)] | None = None
    random_start: bool = True
    loss: Literal["adversarial", "clean_and_adversarial", "trades"] = "clean_and_adversarial"
    weight: NonNegative = 0.5

    @model_validator(mode="after")
    def _is_possible(self) -> AdversarySettings:
        if self.norm == "linf" and self.epsilon > 1:
            raise ValueError(f"epsilon: {self.epsilon} is more than 1, the range of a pixel; linf needs 0 to 1")
        if self.loss == "clean_and_adversarial" and self.weight > 1:
            raise ValueError(f"weight: {self.weight} is the share of the attacked images in the loss, so 0 to 1")
        if self.where != "none" and self.loss == "trades" and not self.random_start:
            raise ValueError("random_start: must be true with trades, whose attack is blind at clean images")
        return self


class ClassifierSettings(OuterLoopSettings):
    """Meta-training of a few-shot classifier; its natural twin is trained in the same way without the adversary."""

    section: ClassVar[str] = "classifier"

    method: MethodName = "prototypical"
    n_way: Plural = 5
    k_shot: Positive = 1
    n_query: Positive = 10
    validation_shots: Positive | None = None
    network: ClassifierNetwork = ClassifierNetwork()
    inner: ClassifierInner = ClassifierInner()
    multi_step_loss: bool = False
    per_step_batch_norm: bool = False
    adversary: AdversarySettings = AdversarySettings()

    @model_validator(mode="after")
    def _rule_is_of_a_classifier(self) -> ClassifierSettings:
        if self.inner.update_rule.startswith("gap_aware"):
            raise ValueError(f"inner.update_rule: {self.inner.update_rule} is for a GAN's discriminator alone; use sgd")
        return self

    @model_validator(mode="after")
    def _rule_is_learned(self) -> ClassifierSettings:
        if self.method == "reptile" and (learned := learned_rules(self.inner.update_rule)):
            raise ValueError(f"inner.update_rule: {learned[0]} is learned, which reptile cannot do; use sgd")
        if self.per_step_batch_norm and self.method not in ("maml", "fomaml", "anil"):
            raise ValueError(f"per_step_batch_norm: needs method maml, fomaml or anil, not {self.method}")
        if self.method == "posterior" and self.network.batch_norm == "transductive":
            raise ValueError("network.batch_norm: must be inductive with posterior, whose features stay as they are")
        if (self.method, self.task_parallel) == ("matching_fce", "vmap"):
            raise ValueError("task_parallel: vmap cannot map the LSTM of matching_fce; use auto or threads")
        return self
