"""A generator that was adapted to one set of pictures, as a person asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from tqdm import tqdm

from metagan.domains import domain_of
from metagan.errors import UserError
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Parameters, by_autograd
from metagan.nets.randomness import seeded
from metagan.training.data import led, sampling_tasks, task_noise
from metagan.training.gan import GENERATOR, check_architecture, load_gan
from metagan.training.saved import GanHeader, GeneratorHeader, Provenance, SavedModel, Temperature, detached
from metagan.training.temperature import at_temperature


def adapt_generator(
    meta_model: SavedModel[GanHeader],
    pictures: Tensor,
    steps: int,
    n: int,
    seed: int,
    inverted: bool = False,
    progress: bool = True,
    parameter: str = "adapt.steps",
    temperature: float = 1.0,
) -> tuple[SavedModel[GeneratorHeader], Tensor]:
    """Weights of the generator alone, and samples (steps + 1, n, C, H, W) in [0, 1] after 0, 1 ... `steps` steps.

    `pictures` (K, C, H, W) in [0, 1] are the support set; the samples have the same noise after every step. The
    weights draw at the model's temperature, of strokes `temperature` times that; `inverted` when dark pictures were
    made bright. Raises UserError when the pictures have another shape than the model draws, and, by the name of the
    `parameter`, when a step leads to samples that are not finite.
    """
    gan = load_gan(meta_model, "meta_model")
    check_architecture("meta_model", gan.architecture, shape=gan.domain.to_stored(pictures).shape[1:])
    warm = gan.temperature.times(temperature)
    learner, started = gan.learner(), perf_counter()
    tasks = sampling_tasks(pictures[None], steps, n, seed, gan.architecture)
    task = {name: value[0] for name, value in tasks.items()}
    trajectory = adapt(
        learner, gan.rules, gan.parameters, task, steps, by_autograd, create_graph=False, from_start=True
    )
    samples = []
    for step, adapted in enumerate(tqdm(trajectory, "adapting", steps + 1, unit="step", disable=not progress)):
        drawing = at_temperature(gan.domain, adapted.parameters, warm)
        samples.append(learner.draw(drawing, task["outer_noise"]))
        if not samples[-1].isfinite().all():
            raise UserError(f"{parameter}: adaptation diverged at step {step} of {steps}; take fewer")
    state = {name.removeprefix(GENERATOR): value for name, value in drawing.items() if name.startswith(GENERATOR)}
    origin = meta_model.identity("meta_model")
    provenance = Provenance(seed=seed, seconds=perf_counter() - started, made_from=origin)
    header = GeneratorHeader(architecture=gan.architecture, inverted=inverted, provenance=provenance)
    return SavedModel(header, detached(state)), torch.stack(samples)


def joined(parts: Sequence[SavedModel[GeneratorHeader]]) -> SavedModel[GeneratorHeader]:
    """Generators of the parts of one thing as one, which draws from all."""
    if len(parts) == 1:
        return parts[0]
    state = {f"{number}.{name}": value for number, part in enumerate(parts) for name, value in part.state.items()}
    first = parts[0].header
    seconds = sum(part.header.provenance.seconds for part in parts)
    provenance = first.provenance.model_copy(update={"seconds": seconds})
    return SavedModel(first.model_copy(update={"parts": len(parts), "provenance": provenance}), state)


@torch.no_grad()
def draw(adapted: SavedModel[GeneratorHeader], n: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Examples (n, C, H, W) in [0, 1] by the weights of `adapt_generator`; the same seed draws the same ones.

    Of several parts the seed chooses one for each example. The temperature is a multiple of that of the weights.
    Pictures are as bright or dark as those that were given: inverted where `adapted` says so. Raises UserError for
    weights of another kind.
    """
    adapted.check_kind("adapted_generator")
    header = adapted.header
    domain = domain_of(header.architecture)
    with seeded(0):
        generator = domain.gan.generator(header.architecture)
    noise = led(task_noise(seed, 0, n, header.architecture.noise_size), header.architecture)
    drawers = torch.from_numpy(np.random.default_rng(seed).integers(header.parts, size=n))
    drawn = []
    for number in drawers.unique():
        part = at_temperature(domain, _part(adapted, int(number)), Temperature(temperature), prefix="")
        drawn.append(functional_call(generator, part, (noise[drawers == number],)))
    examples = torch.cat(drawn)[drawers.argsort(stable=True).argsort()]
    return 1 - examples if header.inverted else examples


def _part(adapted: SavedModel[GeneratorHeader], number: int) -> Parameters:
    if adapted.header.parts == 1:
        return adapted.state
    prefix = f"{number}."
    return {name.removeprefix(prefix): value for name, value in adapted.state.items() if name.startswith(prefix)}
