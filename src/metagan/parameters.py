"""The schema of every parameter in `conf/`: names, types, ranges and choices, checked before any work starts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0.0)]
Rate = Annotated[float, Field(gt=0, le=10)]
ImageSize = Annotated[int, Field(ge=16, le=64, multiple_of=4)]
Channels = Literal[1, 3]
Width = Annotated[int, Field(ge=8, le=512)]

DIGITS_SMALLEST_CLASS = 174

Checked = TypeVar("Checked", bound="Section")


def _increasing(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value or value[0] < 0 or list(value) != sorted(set(value)):
        raise ValueError("must be different step numbers in increasing order, none below 0, for example [0, 1, 5, 20]")
    return value


def _adapting(value: tuple[int, ...]) -> tuple[int, ...]:
    if value[-1] == 0:
        raise ValueError("must name a step above 0: before the first, nothing has been adapted")
    return value


def _after_the_start(value: tuple[int, ...]) -> tuple[int, ...]:
    if value[0] == 0:
        raise ValueError("must leave out 0, which is always measured")
    return value


Steps = Annotated[tuple[int, ...], AfterValidator(_increasing), AfterValidator(_adapting)]


class Section(BaseModel):
    """A frozen group of parameters that refuses names it does not know; a check of the group starts its message with
    the name of the parameter at fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Glyphs(Section):
    minimum_faces: Annotated[int, Field(ge=1, le=12)] = 4
    samples_per_class: Annotated[int, Field(ge=2, le=1000)] = 20


class Omniglot(Section):
    mirror: str | None = None
    split: Literal["alphabets", "vinyals"] = "alphabets"


class ImageFolder(Section):
    path: Path | None = None
    train_fraction: Fraction = 0.7
    val_fraction: Fraction = 0.1


class Tasks(Section):
    """Which images the tasks are made of."""

    source: Literal["glyphs", "digits", "omniglot", "image_folder"] = "glyphs"
    image_size: ImageSize = 28
    channels: Channels = 1
    workers: Annotated[int, Field(ge=0)] = 0
    glyphs: Glyphs = Glyphs()
    omniglot: Omniglot = Omniglot()
    image_folder: ImageFolder = ImageFolder()

    @model_validator(mode="after")
    def _source_is_complete(self) -> Tasks:
        if self.source == "image_folder" and self.image_folder.path is None:
            raise ValueError("image_folder.path: must name a folder of class folders when tasks.source is image_folder")
        if self.source != "image_folder" and self.channels != 1:
            raise ValueError(f"channels: must be 1 for the grey source {self.source}")
        if self.image_folder.train_fraction + self.image_folder.val_fraction >= 1.0:
            raise ValueError(
                "image_folder.train_fraction: with val_fraction must leave classes for the test split (sum below 1)"
            )
        return self


EmbedderWidth = Annotated[Width, Field(multiple_of=8)]  # eight groups of channels are normalised together


class EmbedderNetwork(Section):
    """One prototypical embedder (evaluation, or inside an outer objective)."""

    width: EmbedderWidth = 64
    feature_size: Width = 64
    episodes: Positive = 400
    n_way: Annotated[int, Field(ge=2)] = 20
    k_shot: Positive = 1
    n_query: Positive = 5
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    class_half: Literal["first", "second", "all"] = "all"
    turn_classes: bool = True
    seed_offset: int = 0


class EmbedderArchitecture(Section):
    """What saved weights of an embedder may say of its network."""

    width: EmbedderWidth
    feature_size: Width
    channels: Channels
    image_size: ImageSize


class Embedder(Section):
    """The two embedders, which share nothing: seeds, widths and train classes differ."""

    evaluation: EmbedderNetwork = EmbedderNetwork()
    objective: EmbedderNetwork = EmbedderNetwork(width=48, feature_size=48, seed_offset=1000)
    accuracy_episodes: Positive = 100

    @model_validator(mode="after")
    def _share_nothing(self) -> Embedder:
        if self.evaluation.seed_offset == self.objective.seed_offset:
            raise ValueError(
                "objective.seed_offset: must differ from evaluation.seed_offset, the embedders share nothing"
            )
        return self


class Networks(Section):
    generator_width: Width = 48
    discriminator_width: Width = 48
    noise_size: Annotated[int, Field(ge=1, le=512)] = 32
    context_size: Annotated[int, Field(ge=0, le=512)] = 0
    largest_shift: Annotated[int, Field(ge=0, le=16)] = 0


class GanArchitecture(Networks):
    """What saved weights of a GAN may say of its networks."""

    channels: Channels
    image_size: ImageSize


class InnerLoop(Section):
    """The K adversarial steps on the support set of one task."""

    steps: Annotated[int, Field(ge=1, le=50)] = 5
    update_rule: Literal["sgd", "lslr"] = "lslr"
    generator_learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.1
    discriminator_learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.1
    gan_loss: Literal["non_saturating", "hinge", "wgan_gp", "relativistic"] = "non_saturating"
    r1: NonNegative = 0.0
    r2: NonNegative = 0.0
    adapt_parameters: str = "all"

    @field_validator("adapt_parameters")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(
                f"must be 'all', 'context' or a regular expression over parameter names ({error})"
            ) from error
        return value


class OuterObjective(Section):
    """Weights of the terms that judge an adapted generator on the query set; 0 leaves a term out."""

    adversarial: NonNegative = 0.0
    energy: NonNegative = 1.0
    mmd: NonNegative = 0.0
    pixel_weight: NonNegative = 0.3
    feature_weight: NonNegative = 1.0

    @model_validator(mode="after")
    def _not_empty(self) -> OuterObjective:
        if self.adversarial + self.energy + self.mmd == 0:
            raise ValueError("energy: at least one of adversarial, energy and mmd must be above 0")
        if self.energy + self.mmd > 0 and self.pixel_weight + self.feature_weight == 0:
            raise ValueError("pixel_weight: with energy or mmd, it or feature_weight must be above 0")
        return self


class WarmUp(Section):
    """The first meta-steps: by another meta-gradient, or with fewer inner steps."""

    meta_gradient: Literal["none", "fomaml", "reptile"] = "none"
    inner_steps: Positive | None = None
    meta_steps: Annotated[int, Field(ge=0)] = 0


class JointGan(Section):
    """The ordinary GAN on all train classes that the fine_tuned arm starts from."""

    steps: Positive = 4000
    batch_size: Annotated[int, Field(ge=2)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-4
    gan_loss: Literal["non_saturating", "hinge", "wgan_gp", "relativistic"] = "non_saturating"
    r1: NonNegative = 1.0


class Trainer(Section):
    """Where trainings run: the kind of device, and the processes that share the tasks of a step."""

    accelerator: Literal["auto", "cpu", "gpu"] = "cpu"
    devices: Positive = 1
    num_nodes: Positive = 1
    strategy: Literal["ddp_fork", "ddp"] = "ddp_fork"

    @property
    def processes(self) -> int:
        return self.devices * self.num_nodes

    @property
    def forks(self) -> bool:
        """Whether trainings run in children of this process."""
        return self.processes > 1 and self.strategy == "ddp_fork"

    def check_share(self, name: str, count: int) -> None:
        """Raises ValueError unless the processes can share `count` items evenly."""
        if count % self.processes:
            raise ValueError(
                f"{name}: {count} is not a multiple of the {self.processes} processes of trainer that share it"
            )

    @model_validator(mode="after")
    def _reaches_all(self) -> Trainer:
        if self.num_nodes > 1 and self.strategy == "ddp_fork":
            raise ValueError("strategy: must be ddp with several nodes, started by torchrun or srun on each")
        return self


class OuterLoop(Section):
    """What every meta-training has; `section` is its name in the configuration."""

    section: ClassVar[str]

    tasks_per_step: Positive = 4
    turn_classes: bool = True
    meta_steps: Positive | None = 300
    minutes: Annotated[float, Field(gt=0)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    rule_learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-2
    decay_from: Annotated[float, Field(ge=0, lt=1)] = 0.8
    final_learning_rate_fraction: Fraction = 0.05
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 10.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    maximum_skipped_in_a_row: Positive = 20
    task_parallel: Literal["auto", "threads", "vmap", "loop"] = "auto"
    vmap_chunk: Positive = 16
    validate_every: Positive = 100
    validation_tasks: Positive = 20
    retreat_margin: Annotated[float, Field(gt=0)] = 0.05

    @model_validator(mode="after")
    def _ends(self) -> OuterLoop:
        if self.meta_steps is None and self.minutes is None:
            name = f"{self.section}.minutes"
            raise ValueError(f"meta_steps: must be a number when {name} is null, or training never ends")
        return self


class MetaTrain(OuterLoop):
    """Meta-training of the GAN, and of the joint GAN that is the fine-tuned arm."""

    section: ClassVar[str] = "meta_train"

    meta_gradient: Literal["maml", "fomaml", "reptile"] = "maml"
    k_shot: Positive = 8
    n_query: Annotated[int, Field(ge=2)] = 12
    validation_steps: Annotated[Steps, AfterValidator(_after_the_start)] = (5, 20)
    networks: Networks = Networks()
    inner: InnerLoop = InnerLoop()
    first_step_weight: Fraction = 0.2
    outer_objective: OuterObjective = OuterObjective()
    warm_up: WarmUp = WarmUp()
    joint: JointGan = JointGan()

    @model_validator(mode="after")
    def _warm_up_is_shorter(self) -> MetaTrain:
        if self.warm_up.inner_steps is not None and self.warm_up.inner_steps > self.inner.steps:
            raise ValueError(f"warm_up.inner_steps: must be at most inner.steps = {self.inner.steps}")
        return self

    @model_validator(mode="after")
    def _context_is_there(self) -> MetaTrain:
        if self.inner.adapt_parameters == "context" and self.networks.context_size == 0:
            raise ValueError("networks.context_size: must be above 0 when inner.adapt_parameters is context")
        return self

    @model_validator(mode="after")
    def _rule_is_learned(self) -> MetaTrain:
        if self.meta_gradient == "reptile" and self.inner.update_rule != "sgd":
            raise ValueError("inner.update_rule: must be sgd with reptile, which learns no rates")
        return self


class Evaluate(Section):
    split: Literal["val", "test"] = "test"
    n_tasks: Annotated[int, Field(ge=2)] = 100
    k_shot: Positive = 8
    n_query: Annotated[int, Field(ge=2)] = 12
    steps: Steps = (0, 1, 2, 5, 10, 20)
    picture_classes: Annotated[int, Field(ge=1, le=64)] = 16
    joint_condition_weight: NonNegative = 1.0
    nearest_neighbours: Positive = 5
    baseline_learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.01, 0.03, 0.1, 0.3, 1.0)

    @model_validator(mode="after")
    def _neighbours_are_there(self) -> Evaluate:
        half = self.n_tasks * (self.n_query // 2)
        if self.nearest_neighbours >= half:
            raise ValueError(f"nearest_neighbours: must be below n_tasks * n_query / 2 = {half}, the images of a half")
        return self


Epsilon = Annotated[float, Field(ge=0.0, le=1.0)]


MethodName = Literal["maml", "fomaml", "reptile", "anil", "prototypical", "matching", "matching_fce", "fine_tune"]


WITH_HEAD = ("maml", "fomaml", "reptile", "anil", "fine_tune")
"""Methods whose classifier fits one number of ways."""

OneOrMore = BeforeValidator(lambda value: [value] if isinstance(value, int) else value)


ClassifierWidth = Annotated[int, Field(ge=4, le=512)]
Pooling = Literal["max", "stride"]


class ClassifierNetwork(Section):
    width: ClassifierWidth = 64
    pooling: Pooling = "stride"
    batch_norm: Literal["transductive", "inductive"] = "inductive"


class ClassifierArchitecture(Section):
    """What a method builds its network from; `base_classes` is the number of train classes."""

    channels: Channels
    image_size: ImageSize
    width: ClassifierWidth
    pooling: Pooling
    n_way: Annotated[int, Field(ge=2, le=100_000)]
    base_classes: Annotated[int, Field(ge=1, le=100_000)]


class ClassifierInner(Section):
    """Inner steps on the support set; methods without them ignore it."""

    steps: Annotated[int, Field(ge=1, le=50)] = 1
    test_steps: Annotated[int, Field(ge=1, le=500)] = 3
    update_rule: Literal["sgd", "lslr"] = "sgd"
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


class Classifier(OuterLoop):
    """Meta-training of a few-shot classifier; its natural twin is trained in the same way without the adversary."""

    section: ClassVar[str] = "classifier"

    method: MethodName = "prototypical"
    n_way: Annotated[int, Field(ge=2)] = 5
    k_shot: Positive = 1
    n_query: Positive = 10
    validation_shots: Positive | None = None
    jitter: bool = False
    network: ClassifierNetwork = ClassifierNetwork()
    inner: ClassifierInner = ClassifierInner()
    multi_step_loss: bool = False
    per_step_batch_norm: bool = False
    adversary: AdversarySettings = AdversarySettings()

    @model_validator(mode="after")
    def _rule_is_learned(self) -> Classifier:
        if self.method == "reptile" and self.inner.update_rule != "sgd":
            raise ValueError("inner.update_rule: must be sgd with reptile, which learns no rates")
        if self.per_step_batch_norm and self.method not in ("maml", "fomaml", "anil"):
            raise ValueError(f"per_step_batch_norm: needs method maml, fomaml or anil, not {self.method}")
        if (self.method, self.task_parallel) == ("matching_fce", "vmap"):
            raise ValueError("task_parallel: vmap cannot map the LSTM of matching_fce; use auto or threads")
        return self


class CompareClassifiers(Section):
    """Methods, each with every adversary: by name, what it changes in `classifier.adversary`."""

    side_by_side: Positive = 1
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = ("prototypical", "maml")
    adversaries: dict[str, dict[str, object]] = {}


class CompareMetaGradients(Section):
    """Arms by name, each with what it changes in `meta_train`."""

    side_by_side: Positive = 1
    minutes: Annotated[float, Field(gt=0)] = 6.0
    arms: Annotated[dict[str, dict[str, object]], Field(min_length=1)] = {"maml": {"meta_gradient": "maml"}}

    @property
    def budget(self) -> dict[str, object]:
        """What of `meta_train` is the same for all arms."""
        return {"meta_steps": None, "minutes": self.minutes}


class Robustness(Section):
    """Accuracy of adapted classifiers under attack, judged by an independent library."""

    split: Literal["val", "test"] = "test"
    episodes: Annotated[int, Field(ge=2)] = 100
    n_way: Annotated[tuple[Annotated[int, Field(ge=2)], ...], OneOrMore, Field(min_length=1)] = (5,)
    k_shot: Annotated[tuple[Positive, ...], OneOrMore, Field(min_length=1)] = (1,)
    n_query: Positive = 5
    linf_epsilons: Annotated[tuple[Epsilon, ...], Field(min_length=1)] = (0.0, 8 / 255, 16 / 255, 0.1, 0.2, 0.3)
    l2_epsilons: tuple[NonNegative, ...] = (0.5, 1.0, 2.0)
    steps: Positive = 20
    restarts: Positive = 1
    poisoned_epsilon: Epsilon | None = 0.1
    masking_episodes: Annotated[int, Field(ge=2)] = 20
    auto_attack: bool = False

    def check_head(self, classifier: Classifier) -> None:
        """Raises ValueError when the classifier has a head of other ways than those of the episodes."""
        wrong = [n_way for n_way in self.n_way if n_way != classifier.n_way]
        if wrong and classifier.method in WITH_HEAD:
            raise ValueError(
                f"robustness.n_way: {wrong[0]}, but the head of {classifier.method} fits classifier.n_way = "
                f"{classifier.n_way} classes alone"
            )

    @model_validator(mode="after")
    def _auto_attack_has_targets(self) -> Robustness:
        if self.auto_attack and min(self.n_way) < 4:
            raise ValueError(f"n_way: must be at least 4 with auto_attack, not {min(self.n_way)}")
        return self


class Adapt(Section):
    """Adaptation of the trained meta-model to a person's own pictures."""

    images: Path | None = None
    steps: Annotated[int, Field(ge=1, le=50)] = 20
    samples: Annotated[int, Field(ge=2, le=256)] = 64
    invert: Literal["auto", "always", "never"] = "auto"


class Report(Section):
    title: str = "metagan"


class Leaderboard(Section):
    """The table of all finished runs: what ranks them, and where an MLflow server shows them."""

    metric: Literal["recognisability", "fjd", "gap_closed", "natural_accuracy", "robust_accuracy", "seconds"] = (
        "recognisability"
    )
    ui: str = "http://127.0.0.1:5000"


class Parameters(Section):
    """Everything under `conf/<environment>/parameters*.yml`."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    tasks: Tasks = Tasks()
    embedder: Embedder = Embedder()
    meta_train: MetaTrain = MetaTrain()
    evaluate: Evaluate = Evaluate()
    classifier: Classifier = Classifier()
    trainer: Trainer = Trainer()
    compare_classifiers: CompareClassifiers = CompareClassifiers()
    compare_meta_gradients: CompareMetaGradients = CompareMetaGradients()
    robustness: Robustness = Robustness()
    adapt: Adapt = Adapt()
    report: Report = Report()
    leaderboard: Leaderboard = Leaderboard()

    @model_validator(mode="after")
    def _classes_are_large_enough(self) -> Parameters:
        sizes = {"glyphs": self.tasks.glyphs.samples_per_class, "digits": DIGITS_SMALLEST_CLASS, "omniglot": 20}
        size = sizes.get(self.tasks.source, math.inf)
        users = {
            "embedder.evaluation": self.embedder.evaluation,
            "embedder.objective": self.embedder.objective,
            "meta_train": self.meta_train,
            "evaluate": self.evaluate,
            "classifier": self.classifier,
        }
        episodes = [(name, "k_shot", settings.k_shot, settings.n_query) for name, settings in users.items()]
        episodes += [
            ("classifier", "validation_shots", self.classifier.validation_shots or 0, self.classifier.n_query),
            ("robustness", "k_shot", max(self.robustness.k_shot), self.robustness.n_query),
        ]
        for name, field, shots, n_query in episodes:
            if shots + n_query > size:
                raise ValueError(
                    f"{name}.n_query: {field} + n_query = {shots} + {n_query} is more than"
                    f" the {size} images of a class of {self.tasks.source}"
                )
        return self

    @model_validator(mode="after")
    def _head_fits(self) -> Parameters:
        self.robustness.check_head(self.classifier)
        return self

    @model_validator(mode="after")
    def _processes_share_evenly(self) -> Parameters:
        for section in (self.meta_train, self.classifier):
            self.trainer.check_share(f"{section.section}.tasks_per_step", section.tasks_per_step)
        self.trainer.check_share("meta_train.joint.batch_size", self.meta_train.joint.batch_size)
        return self

    @model_validator(mode="after")
    def _arms_are_possible(self) -> Parameters:
        for arm, changes in self.compare_meta_gradients.arms.items():
            whole = merged(merged(self.meta_train.model_dump(), changes), self.compare_meta_gradients.budget)
            name = f"compare_meta_gradients.arms.{arm}"
            valid_section(name, MetaTrain, whole)
            self.trainer.check_share(f"{name}.tasks_per_step", whole["tasks_per_step"])
        for method, (adversary, changes) in product(
            self.compare_classifiers.methods, self.compare_classifiers.adversaries.items()
        ):
            whole = merged(self.classifier.model_dump(), {"method": method, "adversary": changes})
            valid_section(f"compare_classifiers.adversaries.{adversary}", Classifier, whole)
        return self


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values with changes, section by section."""
    return {**values} | {
        name: merged(values[name], change) if isinstance(change, Mapping) and name in values else change
        for name, change in changes.items()
    }


def valid_section(name: str, section: type[Checked], values: Mapping[str, Any]) -> Checked:
    """The section of these values; raises ValueError with one line that names the parameter after `name`."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{name}.{_line(error.errors()[0], section)}") from None


def validate(raw: Mapping[str, object]) -> Parameters:
    """The parameters of one run; raises ValueError with one line for each bad parameter, by its full dotted name."""
    try:
        return Parameters.model_validate(raw)
    except ValidationError as error:
        raise ValueError("\n".join(_line(details, Parameters) for details in error.errors())) from None


def _line(details: ErrorDetails, section: type[BaseModel]) -> str:
    name, value, context = ".".join(map(str, details["loc"])), details["input"], details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return f"{name}: unknown parameter; known here are {_siblings(details['loc'], section)}"
        case "literal_error":
            return f"{name}: {value!r} is not one of {context['expected'].replace(' or ', ', ')}"
        case "value_error" if isinstance(value, Mapping):  # a check of a whole section names the parameter itself
            return f"{name}.{context['error']}".removeprefix(".")
        case "value_error":
            return f"{name}: {value!r} {context['error']}"
        case _:
            return f"{name}: {value!r} is not valid: {details['msg'][0].lower()}{details['msg'][1:]}"


def _siblings(location: tuple[int | str, ...], section: type[BaseModel]) -> str:
    for part in location[:-1]:
        section = section.model_fields[str(part)].annotation  # type: ignore[assignment]
    return ", ".join(section.model_fields)
