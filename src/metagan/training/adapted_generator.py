"""A generator that was adapted to one set of pictures, as a person asks for it."""

from __future__ import annotations

import torch
from torch import Tensor
from tqdm import tqdm

from metagan.errors import UserError
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import by_autograd
from metagan.nets.generator import Generator
from metagan.training.data import sampling_tasks, task_noise
from metagan.training.gan import Payload, generator_architecture, load_gan, saved_rules
from metagan.training.temperature import at_temperature, temperature_of

PREFIX = "generator."


def adapt_generator(
    meta_model: Payload, pictures: Tensor, steps: int, n: int, seed: int, progress: bool = True
) -> tuple[Payload, Tensor]:
    """Weights of the generator alone, and samples (steps + 1, n, C, H, W) in [0, 1] after 0, 1 ... `steps` steps.

    `pictures` (K, C, H, W) in [0, 1] are the support set; the samples have the same noise after every step. The
    weights hold the arguments of `Generator` as `architecture`, and draw at the model's temperature. Raises
    UserError when the pictures have another shape than the model draws, and when a step leads to samples that are
    not finite.
    """
    shape = {"channels": pictures.shape[1], "image_size": pictures.shape[-1]}
    learner, parameters = load_gan(meta_model, "meta_model", meta_model.get("architecture", {}) | shape)
    tasks = sampling_tasks(pictures[None], steps, n, seed, meta_model["architecture"]["noise_size"])
    task = {name: value[0] for name, value in tasks.items()}
    rules = saved_rules(meta_model)
    temperature = temperature_of(meta_model)
    trajectory = adapt(learner, rules, parameters, task, steps, by_autograd, create_graph=False)
    samples = [learner.generate(at_temperature(parameters, temperature), task["outer_noise"])]
    for step, adapted in enumerate(tqdm(trajectory, "adapting", steps, unit="step", disable=not progress), start=1):
        drawing = at_temperature(adapted.parameters, temperature)
        samples.append(learner.generate(drawing, task["outer_noise"]))
        if not samples[-1].isfinite().all():
            raise UserError(f"adapt.steps: adaptation diverged at step {step} of {steps}; take fewer")
    state = {
        name.removeprefix(PREFIX): value.detach().clone() for name, value in drawing.items() if name.startswith(PREFIX)
    }
    architecture = generator_architecture(meta_model["architecture"])
    return {"kind": "adapted_generator", "architecture": architecture, "state": state}, torch.stack(samples)


@torch.no_grad()
def draw(adapted: Payload, n: int, seed: int) -> Tensor:
    """Images (n, C, H, W) in [0, 1] by the weights of `adapt_generator`; the same seed draws the same images.

    They are as bright or dark as the pictures that were given: inverted where `adapted` says so. Raises UserError for
    any other payload.
    """
    if adapted.get("kind") != "adapted_generator":
        raise UserError(f"an adapted generator is needed, but the weights are of kind {adapted.get('kind')!r}")
    generator = Generator(**adapted["architecture"])
    generator.load_state_dict(adapted["state"])
    images = generator(task_noise(seed, 0, n, adapted["architecture"]["noise_size"]))
    return 1 - images if adapted.get("inverted") else images
