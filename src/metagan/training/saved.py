"""What a saved model is: a typed, versioned header and the tensors. Every file of weights holds one."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import Field
from torch import Tensor

from metagan.domains import domain_of
from metagan.errors import UserError
from metagan.meta.differentiation import Parameters
from metagan.parameters import (
    ClassifierArchitecture,
    ClassifierSettings,
    EmbedderArchitecture,
    Example,
    GanArchitecture,
    InnerLoop,
    Section,
    valid_section,
)
from metagan.parameters.section import LARGEST, NonNegative, Positive

FORMAT = 3

logger = logging.getLogger(__name__)


class Temperature(NamedTuple):
    """Factors of the noise in the coarse map, which changes strokes, and of the noise that bends what was drawn.

    Glow (Kingma and Dhariwal 2018, section 5) samples at a temperature below 1, BigGAN (Brock et al. 2019, section
    3.1) truncates; here two kinds of noise have one each, and it may be above 1.
    """

    strokes: NonNegative = 1.0
    bending: NonNegative = 1.0

    def times(self, factor: float) -> Temperature:
        """That of strokes multiplied."""
        return self._replace(strokes=self.strokes * factor)


AS_TRAINED = Temperature()


class Shots(NamedTuple):
    """The fewest and the most support images of a task."""

    fewest: Positive
    most: Positive


class Provenance(Section):
    """The training that made the weights: its seed, its time, the meta-step that was kept, and the content hashes of
    all that it was given."""

    seed: Annotated[int, Field(ge=0)] = 0
    seconds: NonNegative = 0.0
    meta_step: Annotated[int, Field(ge=0)] | None = None
    made_from: dict[str, str] = Field(default_factory=dict)


class Header(Section):
    """What every kind of saved model says of itself."""

    kind: str
    format: Literal[3] = FORMAT
    provenance: Provenance = Provenance()


class EmbedderHeader(Header):
    kind: Literal["embedder"] = "embedder"
    architecture: EmbedderArchitecture


GanKind = Literal["meta_model", "joint_gan", "learned_rule"]


class GanHeader(Header):
    """The meta-model, the joint GAN, or a start with rules that were trained for it alone; `inner` has the update rule
    with its settings, and `k_shots` what the meta-model was trained with."""

    kind: GanKind
    architecture: GanArchitecture
    inner: InnerLoop
    temperature: Temperature = AS_TRAINED
    k_shots: Shots | None = None

    @property
    def shots(self) -> Shots:
        """How many support images it takes: any number where nothing is known of its training."""
        return self.k_shots or Shots(1, LARGEST)

    def check_shots(self, name: str, k_shot: int) -> None:
        """Raises UserError when `name` has another number of support images than the model was trained with."""
        if not self.shots.fewest <= k_shot <= self.shots.most:
            raise UserError(
                f"{name}: {k_shot}, but the meta-model was trained with {self.shots.fewest} to {self.shots.most} "
                "support images (meta_train.smallest_k_shot and k_shot): take as many, or train again"
            )

    def tell_of_many(self, name: str, k_shot: int) -> None:
        """Warn when `name` has more support images than any task of the training."""
        if k_shot > self.shots.most:
            logger.warning(
                "%s: %d %s are more than the %d at most that the model was trained with; it has never seen so many at "
                "once",
                name, k_shot, domain_of(self.architecture).names.own, self.shots.most,
            )  # fmt: skip


class GeneratorHeader(Header):
    """A generator that was adapted to one thing; `inverted` when that was given dark on bright.

    `parts` are several generators, where it was adapted to a thing in parts; their tensors are then named 0.NAME and
    so on.
    """

    kind: Literal["adapted_generator"] = "adapted_generator"
    architecture: GanArchitecture
    inverted: bool = False
    parts: Positive = 1


class ClassifierHeader(Header):
    kind: Literal["classifier"] = "classifier"
    architecture: ClassifierArchitecture
    settings: ClassifierSettings


class ControllerHeader(Header):
    """What sets the rates of whole trainings, by so many numbers that it sees."""

    kind: Literal["training_controller"] = "training_controller"
    inputs: Positive


HEADERS: Mapping[str, type[Header]] = {
    "embedder": EmbedderHeader,
    "meta_model": GanHeader,
    "joint_gan": GanHeader,
    "learned_rule": GanHeader,
    "adapted_generator": GeneratorHeader,
    "classifier": ClassifierHeader,
    "training_controller": ControllerHeader,
}

AnyHeader = TypeVar("AnyHeader", bound=Header, covariant=True)


@dataclass(frozen=True)
class SavedModel(Generic[AnyHeader]):
    """A trained model as it is handed from one stage to the next, without networks."""

    header: AnyHeader
    state: Parameters

    @cached_property
    def content_hash(self) -> str:
        """The sha256 over names and values of the tensors."""
        return weights_hash(self.state)

    def identity(self, name: str) -> dict[str, str]:
        """What it was made from, and its own content hash by the name that it goes by."""
        return {**self.header.provenance.made_from, name: self.content_hash}

    @property
    def n_parameters(self) -> int:
        return sum(value.numel() for value in self.state.values())

    def check_kind(self, kind: str) -> None:
        """Raises UserError when the model is of another kind."""
        if self.header.kind != kind:
            raise UserError(f"weights of kind {kind!r} are needed, not {self.header.kind!r}")

    def as_content(self) -> dict[str, Any]:
        """Plain values and tensors, which `torch.save` takes and `torch.load` reads with `weights_only=True`."""
        return {"header": self.header.model_dump(mode="json"), "state": self.state}


def saved_model(content: object) -> SavedModel[Header]:
    """The model of what `SavedModel.as_content` has given.

    Raises UserError for anything else: another format, an unknown kind, a header that the schema of its kind refuses.
    """
    if isinstance(content, Mapping) and "kind" in content:
        raise UserError(f"weights of format 1, of an earlier metagan, and not of format {FORMAT}: train again")
    match content:
        case {"header": {"format": int(number)}} if number != FORMAT:
            raise UserError(f"weights of format {number}, and not of format {FORMAT}: train again")
        case {"header": {"format": int(), "kind": str(kind), **values}, "state": dict(state)} if kind in HEADERS:
            header = _valid_header(kind, values)
            if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
                return SavedModel(header, state)
    raise UserError("no weights of metagan: train again")


def _valid_header(kind: str, values: Mapping[str, Any]) -> Header:
    try:
        header = valid_section(kind, HEADERS[kind], {"kind": kind, **values})
        if isinstance(architecture := getattr(header, "architecture", None), Example):
            domain_of(architecture)
        return header
    except UserError as error:
        raise UserError(f"{error}; train again") from None


def detached(state: Parameters) -> Parameters:
    """Copies on the CPU that no longer follow a training."""
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def weights_hash(state: Parameters) -> str:
    """The sha256 over names and values of the tensors."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.numpy(force=True).tobytes())
    return digest.hexdigest()
