"""The contract of a domain: all that depends on what an example is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from metagan.parameters import ClassifierArchitecture, EmbedderArchitecture, GanArchitecture

Stored = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class GanNetworks:
    """The players of a GAN, and which of the generator's tensors have a part to play.

    The generator takes noise (N, Z) and gives examples; the discriminator gives (N,) logits. An encoder takes a support
    set and gives what is added to the tensors `encoded`, in their order; a critic gives a `nets.critic.Impression` and
    is made with its width and whether it sees pairs. None where the domain has none. `noise` are the weights that a
    temperature multiplies, in the order of `training.saved.Temperature`. `rates`, of the generator's parameters by
    name, are factors of the inner rate; 1 where there is none. With `likelihood` the generator, given examples as a
    second argument, says the logarithms of their probabilities (N,).
    """

    generator: Callable[[GanArchitecture], nn.Module]
    discriminator: Callable[[GanArchitecture], nn.Module]
    encoder: Callable[[GanArchitecture], nn.Module] | None = None
    critic: Callable[[GanArchitecture, int, bool], nn.Module] | None = None
    noise: tuple[str, ...] = ()
    encoded: tuple[str, ...] = ()
    rates: Callable[[Mapping[str, Tensor]], dict[str, float]] = lambda parameters: {}
    likelihood: bool = False


@dataclass(frozen=True)
class Names:
    """What people call an example, several of them, and those that they bring of their own.

    And its smallest numbers and its largest, what noise changes, what is done to examples whose numbers are all set to
    one of both (nothing where they are such anyway), and how to read its pictures, where that is not plain.
    """

    one: str
    many: str
    own: str
    least: str = "0"
    most: str = "1"
    drawn: str = "examples"
    binarised: str = "every number is set to 0 or 1 at a half"
    pictures: str = ""

    def told(self, text: str) -> str:
        """The text with these names in the places of theirs, such as {many}."""
        return text.format(**asdict(self))


@dataclass(frozen=True)
class Form:
    """How examples leave for other programs: `write(stored, seed)` gives one, of `shape`, as text.

    That is a file in base64 of the type `media`, or the example itself where that is text/plain. The seed is of what
    a file says beyond its example.
    """

    media: str
    write: Callable[[Stored, int], str]

    @property
    def is_text(self) -> bool:
        return self.media == "text/plain"


@dataclass(frozen=True)
class Domain:
    """What examples of a kind are: stored (N, *shape) in a bank, float32 (N, C, H, W) in [0, 1] everywhere else.

    All domains have these three axes; one that means nothing is of length 1.

    `check(shape)` raises UserError for shapes that its networks do not take. `turn(examples, times)` makes those of
    another class, which `times` from 0 to `turns` - 1 tell apart; a domain with one turn has no such classes.
    `move(examples, changes)` distorts each a little, by changes (N, len(largest_changes)) up to those.
    `views(examples)` are the matrices (N, D) that an outer distance compares. The `classifier` of an architecture has
    as many outputs as it is told, or gives features where that is 0, as `nets.conv4.Conv4` does; the `judge` of a
    tensor's shape and a number of outputs is small and quickly trained. `picture(stored, on_paper, columns)` shows
    examples (n, *shape). `measures(made, support, query)`, of stored examples (T, n, *shape) of T tasks, are metrics of
    this domain alone, by their names in `reporting.measures`. Without a `form` generators are not served.
    `packages` are what its examples are read and written by, besides what all of metagan needs.
    """

    names: Names
    dtype: str
    range: tuple[float, float]
    check: Callable[[Shape], None]
    to_tensor: Callable[[Stored], Tensor]
    to_stored: Callable[[Tensor], Stored]
    turns: int
    turn: Callable[[Tensor, int], Tensor]
    largest_changes: tuple[float, ...]
    move: Callable[[Tensor, Tensor], Tensor]
    views: Callable[[Tensor], list[Tensor]]
    embedder: Callable[[EmbedderArchitecture], nn.Module]
    gan: GanNetworks
    classifier: Callable[[ClassifierArchitecture, int], nn.Module]
    judge: Callable[[Shape, int], nn.Module]
    picture: Callable[[Stored, bool, int], Image.Image]
    measures: Callable[[Stored, Stored, Stored], dict[str, float]] = lambda made, support, query: {}
    form: Form | None = None
    packages: tuple[str, ...] = ()

    def move_at_random(
        self, examples: Tensor, generator: torch.Generator, largest: tuple[float, ...] | None = None
    ) -> Tensor:
        """Each of the examples (N, C, H, W) moved by changes of its own, uniform up to `largest`, or the domain's."""
        bounds = torch.tensor(self.largest_changes if largest is None else largest)
        changes = 2 * torch.rand(len(examples), len(bounds), generator=generator) - 1
        return self.move(examples, changes * bounds)
