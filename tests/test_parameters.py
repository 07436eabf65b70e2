from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from metagan.errors import UserError
from metagan.meta.update_rules import UPDATE_RULES
from metagan.parameters import Bandits, RunSettings, example, validate

CONF = Path(__file__).parents[1] / "conf"
RULES = ", ".join(map(repr, UPDATE_RULES))
LoadParameters = Callable[..., dict[str, Any]]


def leaves(section: type[BaseModel] = RunSettings, prefix: str = "") -> Iterator[str]:
    """Dotted names of all parameters that the schema knows."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def nested(name: str, value: object) -> dict[str, Any]:
    """`a.b` and 1 -> {"a": {"b": 1}}."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value  # type: ignore[return-value]


def message(raw: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        validate(raw)
    return str(caught.value)


@pytest.mark.parametrize("environment", sorted(path.name for path in CONF.iterdir() if path.is_dir()))
def test_every_environment_is_valid(environment: str, load_parameters: LoadParameters) -> None:
    validate(load_parameters(environment))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (
            {"compare_classifiers": {"adversaries": {"strong": {"epsilon": 2.0}}}},
            "compare_classifiers.adversaries.strong.adversary.epsilon: 2.0 is more than 1, the range of a pixel;"
            " linf needs 0 to 1",
        ),
        (
            {"compare_classifiers": {"adversaries": {"strong": {"radius": 0.1}}}},
            "compare_classifiers.adversaries.strong.adversary.radius: unknown parameter; known here are where, attack,"
            " norm, epsilon, steps, step_size, random_start, loss, weight",
        ),
        (
            {"compare_meta_gradients": {"arms": {"reptile": {"meta_gradient": "reptiles"}}}},
            "compare_meta_gradients.arms.reptile.meta_gradient: 'reptiles' is not one of 'maml', 'fomaml', 'reptile'",
        ),
        (
            {"meta_train": {"inner": {"update_rule": {"generator": "adm"}}}},
            f"meta_train.inner.update_rule.generator: 'adm' is not one of {RULES}",
        ),
        (
            {"meta_train": {"inner": {"update_rule": {"critic": "adam"}}}},
            "meta_train.inner.update_rule.critic: unknown parameter; known here are generator, discriminator",
        ),
        (
            {"compare_meta_gradients": {"arms": {"own": {"inner": {"update_rule": {"generator": "adm"}}}}}},
            f"compare_meta_gradients.arms.own.inner.update_rule.generator: 'adm' is not one of {RULES}",
        ),
        (
            {"meta_train": {"networks": {"exemplars": 1, "lead": 3.0}}},
            "meta_train.networks.lead: is of one of several exemplars; set exemplars to more than 1, or lead to 0",
        ),
        (
            {"meta_train": {"meta_gradient": "reptile", "inner": {"update_rule": {"generator": "adam"}}}},
            "meta_train.inner.update_rule: lslr is learned, which reptile cannot do; use sgd",
        ),
        (
            {"compare_meta_gradients": {"arms": {"reptile": {"meta_gradient": "reptile"}}}},
            "compare_meta_gradients.arms.reptile.inner.update_rule: lslr is learned, which reptile cannot do; use sgd",
        ),
    ],
)
def test_what_is_compared_is_checked_before_any_work(raw: dict[str, Any], says: str) -> None:
    assert message(raw) == says


def test_base_writes_out_every_parameter(load_parameters: LoadParameters) -> None:
    def names(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for name, value in values.items():
            if isinstance(value, dict) and f"{prefix}{name}" not in known:
                yield from names(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"

    known = set(leaves())
    assert set(names(load_parameters("base"))) == known


def test_an_environment_changes_only_what_it_names(load_parameters: LoadParameters) -> None:
    base, smoke = load_parameters("base"), load_parameters("smoke")
    assert smoke["tasks"]["source"] == "digits"
    assert smoke["tasks"]["omniglot"] == base["tasks"]["omniglot"]
    assert smoke["meta_train"]["warm_up"]["meta_steps"] != base["meta_train"]["warm_up"]["meta_steps"]
    assert smoke["meta_train"]["warm_up"]["inner_steps"] == base["meta_train"]["warm_up"]["inner_steps"]


def test_the_command_line_wins(load_parameters: LoadParameters) -> None:
    parameters = validate(load_parameters("smoke", tasks={"source": "glyphs"}))
    assert (parameters.tasks.source, parameters.tasks.image_size) == ("glyphs", 16)


def test_the_mirror_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, load_parameters: LoadParameters
) -> None:
    monkeypatch.delenv("METAGAN_OMNIGLOT_MIRROR", raising=False)
    assert load_parameters("base")["tasks"]["omniglot"]["mirror"] is None
    monkeypatch.setenv("METAGAN_OMNIGLOT_MIRROR", "/some where")
    assert validate(load_parameters("base")).tasks.omniglot.mirror == "/some where"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("tasks.source", "ink", "'ink' is not one of 'glyphs', 'digits', 'omniglot', 'colours', 'image_folder'"),
        ("tasks.omniglot.split", "random", "'random' is not one of 'alphabets', 'vinyals'"),
        ("tasks.image_size", 12, "12 is not valid: input should be greater than or equal to 16"),
        ("tasks.image_size", 68, "68 is not valid: input should be less than or equal to 64"),
        ("tasks.image_size", 30, "30 is not valid: input should be a multiple of 4"),
        ("tasks.channels", 2, "2 is not one of 1, 3"),
        ("tasks.channels", 3, "must be 1 for the grey source glyphs"),
        ("embedder.objective.seed_offset", 0, "must differ from evaluation.seed_offset"),
        ("meta_train.meta_gradient", "imaml", "'imaml' is not one of 'maml', 'fomaml', 'reptile'"),
        ("meta_train.inner.update_rule", "adm", f"'adm' is not one of {RULES}"),
        ("meta_train.inner.update_rule", 3, "3 must be the name of a rule, or one each: {generator: lslr, "),
        ("classifier.inner.update_rule", "adm", f"'adm' is not one of {RULES}"),
        ("meta_train.inner.gan_loss", "lsgan", "is not one of 'non_saturating', 'hinge', 'wgan_gp', 'relativistic'"),
        ("meta_train.inner.adapt_parameters", "(", "regular expression"),
        ("meta_train.task_parallel", "ray", "'ray' is not one of 'auto', 'threads', 'vmap', 'loop'"),
        (
            "meta_train.outer_objective.energy",
            0,
            "at least one of adversarial, energy, mmd, likelihood and critic must be above 0",
        ),
        ("meta_train.outer_objective.critic_pairs", True, "outer_objective.critic_pairs: needs networks.lead above 0"),
        ("meta_train.minutes", float("inf"), "finite"),
        ("meta_train.learning_rate", 0, "greater than 0"),
        ("meta_train.n_query", 13, "k_shot + n_query = 8 + 13 is more than the 20 examples of a class of glyphs"),
        ("meta_train.n_query", 1, "greater than or equal to 2"),
        ("meta_train.validation_steps", [0, 5], "must leave out 0, which is always measured"),
        ("embedder.objective.width", 12, "a multiple of 8"),
        ("evaluate.n_query", 1, "greater than or equal to 2"),
        ("evaluate.n_query", 20, "more than the 20 examples of a class of glyphs"),
        ("evaluate.nearest_neighbours", 600, "must be below n_tasks * n_query / 2 = 600"),
        ("evaluate.steps", [0], "must name a step above 0"),
        ("robustness.linf_epsilons", [], "must name a radius"),
        ("robustness.n_query", 20, "k_shot + n_query = 1 + 20 is more than the 20 examples of a class of glyphs"),
        ("evaluate.steps", [0, 5, 1], "increasing order"),
        ("evaluate.steps", [], "increasing order"),
        ("evaluate.baseline_learning_rates", [], "at least 1 item"),
        ("adapt.steps", 51, "less than or equal to 50"),
        ("adapt.samples", 1, "greater than or equal to 2"),
        ("adapt.invert", "sometimes", "'sometimes' is not one of 'auto', 'always', 'never'"),
        ("trainer.strategy", "ddp_spawn", "'ddp_spawn' is not one of 'ddp_fork', 'ddp'"),
        ("seed", "tomorrow", "valid integer"),
        ("tasks.glyphs.faces", 3, "unknown parameter; known here are minimum_faces, samples_per_class"),
        ("task", {}, "unknown parameter; known here are seed, tasks, embedder, meta_train, evaluate, classifier,"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_parameter(name: str, value: object, says: str) -> None:
    said = message(nested(name, value))
    assert said.startswith(f"{name}: ")
    assert says in said
    assert "\n" not in said


def test_an_unknown_name_in_an_element_of_a_list_is_told_as_any_other() -> None:
    raw = {"bandits": {"bandits": [{"pulls": 10, "arms": 5}, {"pulls": 10, "arms": 5, "arm": 3}]}}
    assert message(raw) == "bandits.bandits.1.arm: unknown parameter; known here are pulls, arms"


def test_an_agent_needs_a_problem() -> None:
    assert message({"bandits": {"bandits": [], "mdps": []}}) == (
        "bandits.bandits: there must be a problem here or in mdps"
    )
    assert Bandits.model_validate({"bandits": [], "mdps": [{"episodes": 2}]}).bandits == ()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"trainer": {"devices": 3}}, "meta_train.tasks_per_step: 4 is not a multiple of the 3 processes of trainer"),
        (
            {"trainer": {"devices": 2, "num_nodes": 2, "strategy": "ddp"}, "classifier": {"tasks_per_step": 6}},
            "classifier.tasks_per_step: 6 is not a multiple of the 4 processes of trainer",
        ),
        (
            {"trainer": {"devices": 4}, "meta_train": {"joint": {"batch_size": 6}}},
            "meta_train.joint.batch_size: 6 is not a multiple of the 4 processes of trainer",
        ),
        (
            {"trainer": {"devices": 2}, "compare_meta_gradients": {"arms": {"one": {"tasks_per_step": 1}}}},
            "compare_meta_gradients.arms.one.tasks_per_step: 1 is not a multiple of the 2 processes of trainer",
        ),
        ({"trainer": {"num_nodes": 2}}, "trainer.strategy: must be ddp with several nodes, started by torchrun"),
    ],
)
def test_processes_must_be_able_to_share(raw: dict[str, Any], says: str) -> None:
    assert message(raw).startswith(says)
    assert "\n" not in message(raw)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (
            {"meta_train": {"outer_objective": {"pixel_weight": 0, "feature_weight": 0}}},
            "meta_train.outer_objective.pixel_weight: with energy or mmd, it or feature_weight must be above 0",
        ),
        (
            {"meta_train": {"warm_up": {"inner_steps": 0, "meta_steps": 5}}},
            "meta_train.start_weight: must be above 0 when warm_up.inner_steps is 0, or nothing is judged",
        ),
        (
            {
                "meta_train": {
                    "warm_up": {"meta_gradient": "reptile", "inner_steps": 0, "meta_steps": 5},
                    "start_weight": 1,
                }
            },
            "meta_train.warm_up.inner_steps: must be at least 1 with reptile, which follows the inner steps",
        ),
        (
            {"meta_train": {"networks": {"skip": True, "encoder": False}}},
            "meta_train.networks.skip: is a connection of the encoder; set encoder to true, or leave it out",
        ),
        (
            {"meta_train": {"inner": {"adapt_parameters": "context"}}},
            "meta_train.networks.context_size: must be above 0 when inner.adapt_parameters is context",
        ),
        (
            {"classifier": {"adversary": {"where": "query", "loss": "trades", "random_start": False}}},
            "classifier.adversary.random_start: must be true with trades, whose attack is blind at clean images",
        ),
        (
            {"classifier": {"method": "matching_fce", "task_parallel": "vmap"}},
            "classifier.task_parallel: vmap cannot map the LSTM of matching_fce; use auto or threads",
        ),
        (
            {"classifier": {"n_query": 10, "validation_shots": 11}},
            "classifier.n_query: validation_shots + n_query = 11 + 10 is more than the 20 examples of a class of "
            "glyphs",
        ),
        (
            {"classifier": {"method": "maml"}, "robustness": {"n_way": [5, 20]}},
            "robustness.n_way: 20, but the head of maml fits classifier.n_way = 5 classes alone",
        ),
        (
            {"robustness": {"linf_epsilons": []}},
            "robustness.linf_epsilons: must name a radius where l2_epsilons attacks; or leave out all attacks",
        ),
        (
            {"robustness": {"auto_attack": True, "n_way": [5, 2]}},
            "robustness.n_way: must be at least 4 with auto_attack, not 2",
        ),
    ],
)
def test_what_does_not_go_together_is_told_before_any_work(raw: dict[str, Any], says: str) -> None:
    assert message(raw) == says


def test_a_domain_without_attacks_refuses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "WITHOUT_ATTACKS", {"image"})
    none = {"linf_epsilons": [], "l2_epsilons": [], "poisoned_epsilon": None}
    attacked = {"adversary": {"where": "query"}}
    says = "must be none: the domain image of the source glyphs has no attacks"
    assert message({"robustness": none, "classifier": attacked}) == f"classifier.adversary.where: {says}"
    assert message({}).startswith("robustness.linf_epsilons: must be empty, as must l2_epsilons: the domain image")
    validate({"robustness": none})


def test_an_image_folder_needs_a_path() -> None:
    assert message({"tasks": {"source": "image_folder"}}).startswith("tasks.image_folder.path: must name a folder")


def test_larger_classes_allow_more_images() -> None:
    validate({"tasks": {"glyphs": {"samples_per_class": 40}}, "evaluate": {"n_query": 20}})
    validate({"tasks": {"source": "digits"}, "evaluate": {"n_query": 20}})


def test_each_mistake_has_its_own_line() -> None:
    lines = message({"seed": -1, "tasks": {"source": "letters"}}).splitlines()
    assert [line.split(":")[0] for line in lines] == ["seed", "tasks.source"]


@given(st.sampled_from(sorted(leaves())), st.text("abcdefghij", min_size=1))
def test_no_unknown_name_is_overlooked(name: str, letters: str) -> None:
    section, _, known = name.rpartition(".")
    unknown = f"{section}.{known}_{letters}".removeprefix(".")
    assert message(nested(unknown, 0)).startswith(f"{unknown}: unknown parameter")


@given(st.sampled_from(sorted(set(leaves()) - {"report.title"})))
def test_no_parameter_takes_anything(name: str) -> None:
    assert message(nested(name, {"an": "object"})).startswith(f"{name}")


NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 5, 8, 20, 48, 0.0, 0.05, 0.5, 1.0, 10**30, 10**400, -1, -(10**400), 1e300, 5e-324]
)
NUMBERS |= st.integers() | st.floats()
TEXTS = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    ["", "a\nb", "\ud800", "1e-3", "(", "x" * 10_000]
)
ODD = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.binary(max_size=3),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS | st.integers(), inside, max_size=3),
    max_leaves=5,
)


def choices(section: type[BaseModel] = RunSettings, prefix: str = "") -> dict[str, st.SearchStrategy[Any]]:
    """For each parameter that has choices, these; for groups of changes, some that name what there is."""
    found = {}
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= choices(field.annotation, f"{prefix}{name}.")
        elif get_origin(field.annotation) is Literal:
            found[f"{prefix}{name}"] = st.sampled_from(get_args(field.annotation))
    return found


CHOICES = choices()


@st.composite
def changes(draw: st.DrawFn, section: str) -> dict[str, Any]:
    """An arm of a comparison that changes one parameter of a section."""
    name = draw(st.sampled_from([leaf for leaf in sorted(leaves()) if leaf.startswith(section)]))
    return {draw(TEXTS): nested(name.removeprefix(section), draw(ODD | CHOICES.get(name, ODD)))}


ARMS = {
    "compare_meta_gradients.arms": changes("meta_train."),
    "compare_classifiers.adversaries": changes("classifier.adversary."),
}


@st.composite
def odd_parameters(draw: st.DrawFn, most: int) -> dict[str, Any]:
    """By name, values for a few parameters: of any type, or such as may go together or not."""
    names = draw(st.lists(st.sampled_from(sorted(leaves())), min_size=1, max_size=most, unique=True))
    return {name: draw(ODD | CHOICES.get(name, NUMBERS) | ARMS.get(name, st.lists(NUMBERS))) for name in names}


def section(name: str) -> str:
    return name.rpartition(".")[0] or name


def last(name: str) -> str:
    return name.rpartition(".")[2]


def check_that_odd_values_are_taken_or_told(base: dict[str, Any], odd: dict[str, Any]) -> None:
    raw = base
    for name, value in odd.items():
        raw = replaced(raw, name, value)
    try:
        parameters = validate(raw)
    except UserError as error:
        for line in str(error).splitlines():
            assert line.isprintable() and len(line) < 2000
            assert line.startswith(tuple(leaves())), line
            assert any(line.startswith(section(name)) or last(name) in line or str(odd[name]) in line for name in odd)
    else:
        assert validate(parameters.model_dump()) == parameters
        assert validate(parameters.model_dump(mode="json")) == parameters


def replaced(raw: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    """The parameters with another value of one of them."""
    first, _, rest = name.partition(".")
    return {**raw, first: replaced(raw[first], rest, value) if rest else value}


@pytest.mark.parametrize("tries", [200, pytest.param(2000, marks=pytest.mark.fault_injection)])
@pytest.mark.parametrize("most", [1, 4])
def test_any_value_of_any_parameter_is_taken_or_told_in_a_line(
    most: int, tries: int, load_parameters: LoadParameters
) -> None:
    base = load_parameters("base")

    @settings(max_examples=tries, suppress_health_check=list(HealthCheck))
    @given(odd_parameters(most))
    def fuzz(odd: dict[str, Any]) -> None:
        check_that_odd_values_are_taken_or_told(base, odd)

    fuzz()


def test_a_boolean_is_no_number(load_parameters: LoadParameters) -> None:
    base = load_parameters("base")
    switches = {"multi_step_loss", "per_step_batch_norm", "random_start", "auto_attack"}
    switches |= {"encoder", "skip"}
    for name in leaves():
        for value in (True, [True]):
            if value is True and last(name) in switches:
                continue
            assert message(replaced(base, name, value)).startswith(name), name


def test_a_number_in_quotes_is_no_number() -> None:
    assert message({"seed": "1"}).startswith("seed: '1' is not valid")
    assert message({"meta_train": {"learning_rate": "1e-3"}}).startswith(
        "meta_train.learning_rate: '1e-3' is not valid"
    )
    assert message({"seed": 1.0}).startswith("seed: 1.0 is not valid")


def test_a_change_inside_what_is_no_section_is_told() -> None:
    arms = {"short": {"k_shot": {"first": 1}}}
    assert message({"compare_meta_gradients": {"arms": arms}}).startswith(
        "compare_meta_gradients.arms.short.k_shot: {'first': 1} is not valid"
    )


def test_what_python_cannot_write_out_is_told(load_parameters: LoadParameters) -> None:
    base = load_parameters("base")
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    for name in leaves():
        for value in (10**5000, deep):
            said = message(replaced(base, name, value))
            assert said.startswith(name) and len(said) < 2000, name


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (
            {"meta_train": {"inner": {"update_rule": "gap_aware"}}},
            "meta_train.inner.update_rule.generator: gap_aware is for the discriminator alone; use sgd",
        ),
        (
            {
                "meta_train": {
                    "inner": {
                        "gan_loss": "hinge",
                        "update_rule": {"generator": "sgd", "discriminator": "gap_aware_at_once"},
                    }
                }
            },
            "meta_train.inner.gan_loss: must be non_saturating with gap_aware_at_once, not hinge",
        ),
        (
            {"classifier": {"inner": {"update_rule": "gap_aware"}}},
            "classifier.inner.update_rule: gap_aware is for a GAN's discriminator alone; use sgd",
        ),
    ],
)
def test_the_gap_aware_rate_is_of_a_discriminator_that_cannot_saturate(raw: dict[str, Any], says: str) -> None:
    assert message(raw) == says
