"""The GAN learner's losses against their definitions, and its meta-gradients against finite differences."""

from __future__ import annotations

import re
from collections.abc import Callable
from statistics import NormalDist

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from metagan.losses.distances import energy_distance, mmd, multi_scale_pixels
from metagan.losses.gan import GAN_LOSSES
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Parameters, by_autograd
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.update_rules import Rules, initialised, shared_rule
from metagan.meta.update_rules.lslr import lslr
from metagan.nets.critic import Critic
from metagan.nets.generator import Generator

MakeLearner = Callable[..., GanLearner]
MakeParameters = Callable[..., Parameters]
MakeTasks = Callable[..., TaskTensors]

WEIGHTS = [0.4, 1.0]
SHIFT = 1e-5


class JudgedByGenerator(GanLearner):
    judges = ("generator",)


class JudgedByDiscriminator(GanLearner):
    judges = ("discriminator",)


def one_task(make_tasks: MakeTasks) -> TaskTensors:
    return {name: value[0] for name, value in make_tasks(1).items()}


def rules_of(parameters: Parameters) -> Rules:
    return shared_rule(lslr, [name for name in parameters if f"rule.{name}" in parameters])


def value_of(learner: GanLearner, meta_gradient: str, parameters: Parameters, task: TaskTensors) -> Tensor:
    return META_GRADIENTS[meta_gradient](learner, rules_of(parameters), parameters, task, WEIGHTS, by_autograd)


def gradient_of(learner: GanLearner, meta_gradient: str, parameters: Parameters, task: TaskTensors) -> Parameters:
    return by_autograd(
        lambda candidate: value_of(learner, meta_gradient, candidate, task), parameters, create_graph=False
    )[1]


def slopes(
    learner: GanLearner, parameters: Parameters, task: TaskTensors, moves: Callable[[str], bool], seed: int
) -> tuple[float, float, float]:
    """Along a random direction in the tensors that move: by central difference, by MAML and by first-order MAML."""
    generator = torch.Generator().manual_seed(seed)
    direction = {
        name: torch.randn(value.shape, dtype=value.dtype, generator=generator)
        for name, value in parameters.items()
        if moves(name)
    }

    def moved(by: float) -> Parameters:
        return {name: value + by * direction.get(name, torch.zeros_like(value)) for name, value in parameters.items()}

    def along(gradients: Parameters) -> float:
        return sum((gradients[name] * part).sum().item() for name, part in direction.items())

    higher, lower = (value_of(learner, "maml", moved(by), task).item() for by in (SHIFT, -SHIFT))
    maml, fomaml = (along(gradient_of(learner, name, parameters, task)) for name in ("maml", "fomaml"))
    return (higher - lower) / (2 * SHIFT), maml, fomaml


@pytest.mark.parametrize(
    ("gan_loss", "objective"),
    [
        ("non_saturating", {"energy": 1.0}),
        ("hinge", {"mmd": 1.0}),
        ("wgan_gp", {"energy": 1.0}),
        ("relativistic", {"energy": 0.5, "mmd": 2.0}),
    ],
)
def test_second_order_is_the_slope_of_the_adapted_distance(
    make_learner: MakeLearner,
    make_parameters: MakeParameters,
    make_tasks: MakeTasks,
    gan_loss: str,
    objective: dict[str, float],
) -> None:
    """Also through the gradient penalties, into the discriminator, the shared tensors and the log rates."""
    learner = make_learner(gan_loss=gan_loss, r1=0.7, r2=0.4, distances=objective)
    parameters, task = make_parameters(learner), one_task(make_tasks)
    for moves in ("generator.", "discriminator.", "rule."):
        measured, maml, fomaml = slopes(learner, parameters, task, lambda name, of=moves: name.startswith(of), seed=1)
        assert maml == pytest.approx(measured, rel=1e-5, abs=1e-8)
        assert abs(fomaml - measured) > 1e-4 * abs(measured)  # or the test could not tell the orders apart


@pytest.mark.parametrize("gan_loss", GAN_LOSSES)
@pytest.mark.parametrize("kind", [JudgedByGenerator, JudgedByDiscriminator])
def test_second_order_of_the_adversarial_judges(
    make_learner: MakeLearner,
    make_parameters: MakeParameters,
    make_tasks: MakeTasks,
    gan_loss: str,
    kind: type[GanLearner],
) -> None:
    learner = make_learner(kind, gan_loss=gan_loss, r1=0.7, r2=0.4, adversarial=1.5)
    (judge,) = learner.judges
    parameters, task = make_parameters(learner), one_task(make_tasks)
    for prefix in (f"{judge}.", f"rule.{judge}."):
        measured, maml, fomaml = slopes(learner, parameters, task, lambda name, of=prefix: name.startswith(of), seed=1)
        assert maml == pytest.approx(measured, rel=1e-5, abs=1e-8)
        assert abs(fomaml - measured) > 1e-4 * abs(measured)
    others = {
        name: value for name, value in gradient_of(learner, "maml", parameters, task).items() if judge not in name
    }
    assert (others.pop("rule.schedule")[:2] != 0).all()  # the players share it
    assert others
    assert all((gradient == 0).all() for gradient in others.values())


@pytest.mark.parametrize("adapts", [r"^generator\.context$|^discriminator\.", r"maps|head", r"fine"])
def test_second_order_when_a_subset_adapts(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks, adapts: str
) -> None:
    learner = make_learner(r1=0.5)
    parameters = make_parameters(learner, adapts=lambda name: re.search(adapts, name))
    measured, maml, fomaml = slopes(learner, parameters, one_task(make_tasks), lambda name: True, seed=4)
    assert maml == pytest.approx(measured, rel=1e-5)
    assert abs(fomaml - measured) > 1e-4 * abs(measured)


def test_the_meta_gradient_of_a_mixed_objective_is_the_sum_of_its_judges(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    mixed = make_learner(adversarial=1.5, r1=0.3)
    assert mixed.judges == ("", "discriminator", "generator")
    parameters, task = make_parameters(mixed), one_task(make_tasks)
    parts = [
        make_learner(r1=0.3),
        make_learner(JudgedByDiscriminator, adversarial=1.5, r1=0.3),
        make_learner(JudgedByGenerator, adversarial=1.5, r1=0.3),
    ]
    whole = gradient_of(mixed, "maml", parameters, task)
    of_parts = [gradient_of(part, "maml", parameters, task) for part in parts]
    for name, gradient in whole.items():
        torch.testing.assert_close(gradient, sum(part[name] for part in of_parts))


def test_all_that_it_holds_moves_to_another_device(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    """The buffers of the networks too; `meta` is the device that every machine has beside its CPU."""
    learner = make_learner()
    learner.generator = Generator(1, 8, width=4, noise_size=3, context_size=2, largest_shift=2).double()
    parameters = {name: value.to("meta") for name, value in make_parameters(learner).items()}
    task = {name: value.to("meta") for name, value in one_task(make_tasks).items()}
    learner.to("meta")
    loss, gradients = by_autograd(
        lambda candidate: value_of(learner, "maml", candidate, task), parameters, create_graph=False
    )
    assert loss.device.type == "meta"
    assert {value.device.type for value in gradients.values()} == {"meta"}


def test_judges_are_those_with_a_weight(make_learner: MakeLearner, encoder_and_critic: dict[str, object]) -> None:
    assert make_learner(distances={"energy": 0.0, "mmd": 0.0}, adversarial=1.0).judges == ("discriminator", "generator")
    assert make_learner(distances={"energy": 0.0, "mmd": 0.2}, adversarial=0.0).judges == ("",)
    assert make_learner(distances={"energy": 0.0}).judges == ()
    assert make_learner(distances={"energy": 0.0}, **encoder_and_critic).judges == ("",)


def test_losses_of_the_players(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    """The discriminator sees the step's first noise, the generator its second."""
    learner = make_learner(r1=0.7, r2=0.4)
    parameters, task = make_parameters(learner), one_task(make_tasks)
    networks = {
        player: {
            name.removeprefix(f"{player}."): value for name, value in parameters.items() if name.startswith(player)
        }
        for player in learner.players
    }

    def generated(noise: Tensor) -> Tensor:
        return functional_call(learner.generator, networks["generator"], (noise,))

    def logits(images: Tensor) -> Tensor:
        return functional_call(learner.discriminator, networks["discriminator"], (images,))

    def penalty(images: Tensor) -> Tensor:
        images = images.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(logits(images).sum(), images)
        return 0.5 * gradient.square().sum((1, 2, 3)).mean()

    first, second = task["inner_noise"][1]
    real, fake = task["support"], generated(first)
    loss = -logits(real).sigmoid().log().mean() - (1 - logits(fake).sigmoid()).log().mean()
    expected = loss + 0.7 * penalty(real) + 0.4 * penalty(fake)
    torch.testing.assert_close(learner.inner_loss("discriminator", parameters, task, 1), expected)
    expected = -logits(generated(second)).sigmoid().log().mean()
    torch.testing.assert_close(learner.inner_loss("generator", parameters, task, 1), expected)


def test_wgan_gp_mixes_pairs_by_uniform_numbers_from_the_other_noise(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    learner = make_learner(gan_loss="wgan_gp")
    parameters, task = make_parameters(learner), one_task(make_tasks)
    noise, other_noise = task["inner_noise"][0]
    real, fake = task["support"], learner.generate(parameters, noise)
    mix = torch.distributions.Normal(0.0, 1.0).cdf(other_noise[:, 0]).view(-1, 1, 1, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(learner.discriminate(parameters, between).sum(), between)
    expected = learner.discriminate(parameters, fake).mean() - learner.discriminate(parameters, real).mean()
    expected = expected + 10 * (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(learner.inner_loss("discriminator", parameters, task, 0), expected)


def test_the_outer_distance_weighs_pixels_features_and_steps(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    learner = make_learner(distances={"energy": 0.5, "mmd": 2.0}, pixel_weight=0.3, feature_weight=0.8)
    task = one_task(make_tasks)
    trajectory = [make_parameters(learner), {name: value * 0.9 for name, value in make_parameters(learner).items()}]
    expected = 0.0
    for weight, parameters in zip(WEIGHTS, trajectory, strict=True):
        made, real = learner.generate(parameters, task["outer_noise"]), task["query"]
        views = zip(
            [*multi_scale_pixels(made), learner.embed(made)],
            [*multi_scale_pixels(real), learner.embed(real)],
            strict=True,
        )
        for view_weight, (x, y) in zip([0.3, 0.3, 0.3, 0.8], views, strict=True):
            expected += weight * view_weight * (0.5 * energy_distance(x, y) + 2.0 * mmd(x, y))
    torch.testing.assert_close(learner.outer_loss("", trajectory, WEIGHTS, task), expected)


def test_steps_of_weight_zero_are_never_generated(
    make_learner: MakeLearner,
    make_parameters: MakeParameters,
    make_tasks: MakeTasks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner, task = make_learner(), one_task(make_tasks)
    parameters = make_parameters(learner)
    alone = learner.outer_loss("", [parameters], [1.0], task)
    generate, calls = learner.generate, []
    monkeypatch.setattr(learner, "generate", lambda *arguments: calls.append(arguments) or generate(*arguments))
    broken = {name: value * float("nan") for name, value in parameters.items()}
    torch.testing.assert_close(learner.outer_loss("", [broken, parameters], [0.0, 1.0], task), alone)
    assert len(calls) == 1


def test_adaptation_moves_only_tensors_with_a_rate(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    learner = make_learner()
    parameters = make_parameters(learner, adapts=lambda name: "maps" in name or "head" in name)
    adapting = adapt(
        learner, rules_of(parameters), parameters, one_task(make_tasks), 2, by_autograd, create_graph=False
    )
    (first, _), (second, _) = adapting
    assert first.keys() == {name for name in parameters if not name.startswith("rule.")}
    for name, value in first.items():
        adapted = "maps" in name or "head" in name
        assert torch.equal(value, parameters[name]) != adapted, name
        assert torch.equal(second[name], value) != adapted, name


def test_the_generator_steps_through_the_updated_discriminator(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    learner, task = make_learner(), one_task(make_tasks)
    parameters = {name: value for name, value in make_parameters(learner).items() if "rule" not in name}
    rules = shared_rule(lslr, parameters)
    rates = initialised(rules, parameters, dict.fromkeys(parameters, 0.3), 1)
    moving = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    for player in learner.players:
        names = [name for name in moving if name.startswith(player)]
        loss = learner.inner_loss(player, moving, task, 0)
        for name, gradient in zip(names, torch.autograd.grad(loss, [moving[name] for name in names]), strict=True):
            moving[name] = (moving[name] - rates[f"rule.{name}"].exp() * gradient).detach().requires_grad_()
    ((adapted, _),) = adapt(learner, rules, {**parameters, **rates}, task, 1, by_autograd, create_graph=False)
    for name, value in adapted.items():
        torch.testing.assert_close(value, moving[name].detach())


def test_no_module_weight_ever_counts(
    make_learner: MakeLearner, make_parameters: MakeParameters, make_tasks: MakeTasks
) -> None:
    """Parameters live in dictionaries; the modules only lend their architecture."""
    learner, task = make_learner(r1=0.5, adversarial=1.0), one_task(make_tasks)
    parameters = make_parameters(learner)
    before = value_of(learner, "fomaml", parameters, task)
    for network in (learner.generator, learner.discriminator):
        for weight in network.parameters():
            weight.data.fill_(float("nan"))
    torch.testing.assert_close(value_of(learner, "fomaml", parameters, task), before, rtol=0, atol=0)


def test_the_inner_steps_begin_with_the_maps_that_the_encoder_moves(
    make_learner: MakeLearner,
    make_parameters: MakeParameters,
    make_tasks: MakeTasks,
    encoder_and_critic: dict[str, object],
) -> None:
    learner = make_learner(**encoder_and_critic)
    parameters, task = make_parameters(learner), one_task(make_tasks)
    own = {name[8:]: value for name, value in parameters.items() if name.startswith("encoder.")}
    moves = functional_call(learner.encoder, own, (task["support"],))
    (start, _), (first, _) = adapt(
        learner, rules_of(parameters), parameters, task, 1, by_autograd, create_graph=False, from_start=True
    )
    for scale, move in enumerate(moves):
        name = f"generator.maps.{scale}"
        assert move.abs().max() > 0
        torch.testing.assert_close(start[name], parameters[name] + move)
        assert not torch.equal(start[name], first[name])
    assert all(torch.equal(start[name], parameters[name]) for name in start if "maps" not in name)


def test_second_order_with_an_encoder_and_before_the_first_step(
    make_learner: MakeLearner,
    make_parameters: MakeParameters,
    make_tasks: MakeTasks,
    encoder_and_critic: dict[str, object],
) -> None:
    learner = make_learner(**{**encoder_and_critic, "critic": None})
    parameters, task = make_parameters(learner), one_task(make_tasks)
    for moves in ("generator.", "encoder."):
        measured, maml, fomaml = slopes(learner, parameters, task, lambda name, of=moves: name.startswith(of), seed=1)
        assert maml == pytest.approx(measured, rel=1e-5, abs=1e-8)
        assert abs(fomaml - measured) > 1e-4 * abs(measured)
    ((before, _),) = adapt(learner, rules_of(parameters), parameters, task, 0, by_autograd, False, from_start=True)
    alone = META_GRADIENTS["maml"](learner, rules_of(parameters), parameters, task, [], by_autograd)
    torch.testing.assert_close(alone, learner.outer_loss("", [before], [0.3], task))


@pytest.mark.parametrize("exemplars", [0, 3])
def test_the_critic_and_those_it_judges_each_have_their_own_loss(
    make_learner: MakeLearner,
    make_parameters: MakeParameters,
    make_tasks: MakeTasks,
    encoder_and_critic: dict[str, object],
    exemplars: int,
) -> None:
    """Hinge with R1 for the critic; for all others the distance and the critic's verdict on the last samples. A paired
    critic sees each sample, and each query image, beside the support image that leads the sample."""
    if exemplars:
        critic = Critic(1, 8, width=3, paired=True).double()
        critic.activation = nn.Softplus()
        encoder_and_critic |= {"critic": critic, "paired_exemplars": exemplars}
    learner = make_learner(**encoder_and_critic)
    without = make_learner(**{**encoder_and_critic, "critic": None})
    parameters, task = make_parameters(learner), one_task(make_tasks)
    *_, (last, _) = adapt(
        learner, rules_of(parameters), parameters, task, len(WEIGHTS), by_autograd, create_graph=False
    )
    made, real = learner.generate(last, task["outer_noise"]).detach(), task["query"]
    places = [int(3 * NormalDist().cdf(first)) % len(task["support"]) for first in task["outer_noise"][:, 0].tolist()]
    beside = task["support"][places] if exemplars else None

    def verdict(critic: Parameters, images: Tensor) -> Tensor:
        own = {name[7:]: value for name, value in critic.items() if name.startswith("critic.")}
        shown = functional_call(learner.critic, own, (task["support"],)).answers.mean(0)
        seen = functional_call(learner.critic, own, (images, beside))
        return seen.logits + seen.asks @ shown

    def own_loss(critic: Parameters) -> Tensor:
        images = real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(verdict(critic, images).sum(), images, create_graph=True)
        hinge = (1 - verdict(critic, real)).relu().mean() + (1 + verdict(critic, made)).relu().mean()
        return hinge + 0.5 * slope.square().flatten(1).sum(1).mean()

    critic = {name: value for name, value in parameters.items() if name.startswith("critic.")}
    gradients = gradient_of(learner, "maml", parameters, task)
    for name, expected in by_autograd(own_loss, critic, create_graph=False)[1].items():
        torch.testing.assert_close(gradients[name], expected)

    def judged(candidate: Parameters) -> Tensor:
        *_, (adapted, _) = adapt(
            learner, rules_of(parameters), candidate, task, len(WEIGHTS), by_autograd, create_graph=True
        )
        return -0.7 * verdict(critic, learner.generate(adapted, task["outer_noise"])).mean()

    others = {name: value for name, value in parameters.items() if name not in critic}
    distance = gradient_of(without, "maml", others, task)
    for name, expected in by_autograd(judged, others, create_graph=False)[1].items():
        torch.testing.assert_close(gradients[name], distance[name] + expected, msg=name)
