"""The header of saved models: it comes back as it was, and a damaged one is refused in one line."""

from __future__ import annotations

import io
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metagan.errors import UserError
from metagan.parameters import (
    ClassifierArchitecture,
    ClassifierSettings,
    EmbedderArchitecture,
    GanArchitecture,
    InnerLoop,
    MethodName,
)
from metagan.training.saved import (
    FORMAT,
    HEADERS,
    ClassifierHeader,
    EmbedderHeader,
    GanHeader,
    GeneratorHeader,
    Header,
    Provenance,
    SavedModel,
    Temperature,
    detached,
    saved_model,
    weights_hash,
)

numbers = st.floats(0, 1e6)
shapes = st.tuples(st.sampled_from([1, 3]), st.integers(4, 16)).map(
    lambda drawn: (drawn[0], 4 * drawn[1], 4 * drawn[1])
)
sizes = {"shape": shapes}
widths = st.integers(8, 512)
provenances = st.builds(
    Provenance,
    seed=st.integers(0, 2**31),
    seconds=numbers,
    meta_step=st.none() | st.integers(0, 10**6),
    made_from=st.dictionaries(st.text(), st.text()),
)
gans = st.builds(
    GanArchitecture,
    **sizes,
    generator_width=widths,
    discriminator_width=widths,
    noise_size=st.integers(1, 512),
    context_size=st.integers(0, 512),
)
rules = st.builds(InnerLoop, steps=st.integers(1, 50), update_rule=st.sampled_from(["sgd", "lslr"]), r1=numbers)
classifiers = st.builds(
    ClassifierArchitecture,
    **sizes,
    width=widths,
    pooling=st.sampled_from(["max", "stride"]),
    n_way=st.integers(2, 100),
    base_classes=st.integers(1, 100),
)
headers = st.one_of(
    st.builds(
        EmbedderHeader,
        provenance=provenances,
        architecture=st.builds(
            EmbedderArchitecture, **sizes, width=st.integers(1, 64).map(lambda eighth: 8 * eighth), feature_size=widths
        ),
    ),
    st.builds(
        GanHeader,
        kind=st.sampled_from(["meta_model", "joint_gan"]),
        provenance=provenances,
        architecture=gans,
        inner=rules,
        temperature=st.builds(Temperature, numbers, numbers),
    ),
    st.builds(GeneratorHeader, provenance=provenances, architecture=gans, inverted=st.booleans()),
    st.builds(
        ClassifierHeader,
        provenance=provenances,
        architecture=classifiers,
        settings=st.builds(ClassifierSettings, method=st.sampled_from(get_args(MethodName)), n_way=st.integers(2, 20)),
    ),
)
STATE = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.steps": torch.tensor(3)}
EMBEDDER = EmbedderHeader(architecture=EmbedderArchitecture(width=8, feature_size=8, shape=(1, 16, 16)))


def through_a_file(content: object) -> Any:
    file = io.BytesIO()
    torch.save(content, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@given(headers)
def test_a_model_comes_back_from_a_file_without_code(header: Header) -> None:
    again = saved_model(through_a_file(SavedModel(header, STATE).as_content()))
    assert again.header == header
    assert type(again.header) is type(header)
    assert again.state.keys() == STATE.keys()
    assert all(torch.equal(value, again.state[name]) for name, value in STATE.items())


@given(headers, st.data())
def test_a_damaged_header_is_refused_in_one_line(header: Header, data: st.DataObject) -> None:
    """At any depth a value is of another type."""
    content = SavedModel(header, STATE).as_content()
    section = content["header"]
    # Of a dictionary without entries nothing can be damaged.
    while data.draw(st.booleans()) and (inner := [part for part in section.values() if part and type(part) is dict]):
        section = data.draw(st.sampled_from(inner))
    section[data.draw(st.sampled_from(sorted(section)))] = ["nonsense"]
    with pytest.raises(UserError) as error:
        saved_model(content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("needed", ["kind", "format", "architecture"])
@given(header=headers)
def test_what_every_header_has_cannot_be_left_out(needed: str, header: Header) -> None:
    content = SavedModel(header, STATE).as_content()
    del content["header"][needed]
    with pytest.raises(UserError):
        saved_model(content)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ({"kind": "mystery"}, "no weights of metagan: train again"),
        ({"format": FORMAT + 1}, f"weights of format {FORMAT + 1}, and not of format {FORMAT}: train again"),
        ({"extra": 1}, "embedder.extra: unknown parameter; known here are kind, format, "),
        (
            {"architecture": {"width": 1 << 20, "feature_size": 8, "shape": [1, 16, 16]}},
            "embedder.architecture.width: 1048576 is not valid: input should be less than or equal to 512",
        ),
        (
            {"architecture": {"width": 8, "feature_size": 8, "shape": [1, 16, 20]}},
            "shape: (1, 16, 20) is no image (channels, size, size) with 1 or 3 channels and a size from 16 to 64 ",
        ),
        (
            {"architecture": {"width": 8, "feature_size": 8, "domain": "smell", "shape": [1]}},
            "domain: 'smell' is not one of image",
        ),
        ({"provenance": {"seconds": -1.0}}, "embedder.provenance.seconds: -1.0 is not valid: "),
    ],
)
def test_a_refusal_says_what_is_wrong(damage: dict[str, Any], says: str) -> None:
    content = SavedModel(EMBEDDER, STATE).as_content()
    with pytest.raises(UserError) as error:
        saved_model({**content, "header": content["header"] | damage})
    assert str(error.value).startswith(says)


def test_weights_of_before_the_header_are_told_by_their_format() -> None:
    old = {"kind": "embedder", "architecture": {"width": 8}, "state": STATE, "seconds": 1.0}
    with pytest.raises(
        UserError, match=rf"^weights of format 1, of an earlier metagan, and not of format {FORMAT}: train again$"
    ):
        saved_model(through_a_file(old))


@pytest.mark.parametrize("content", [[1, 2], {"state": {}}, torch.zeros(2), {"header": {}, "state": {}}, None])
def test_what_is_no_model_is_refused(content: object) -> None:
    with pytest.raises(UserError, match=r"^no weights of metagan: train again$"):
        saved_model(content)


@pytest.mark.parametrize("state", [{"layer": [1.0]}, {3: torch.zeros(1)}, [torch.zeros(1)]])
def test_a_state_is_of_named_tensors(state: object) -> None:
    with pytest.raises(UserError, match=r"^no weights of metagan: train again$"):
        saved_model({**SavedModel(EMBEDDER, STATE).as_content(), "state": state})


def test_every_kind_has_a_header_of_its_own() -> None:
    for kind, header in HEADERS.items():
        assert kind in get_args(header.model_fields["kind"].annotation)


def test_another_kind_is_refused_by_name() -> None:
    model = SavedModel(EMBEDDER, STATE)
    model.check_kind("embedder")
    with pytest.raises(UserError, match=r"^weights of kind 'joint_gan' are needed, not 'embedder'$"):
        model.check_kind("joint_gan")


def test_the_content_hash_sees_every_tensor_and_no_header() -> None:
    model = SavedModel(EMBEDDER, STATE)
    assert model.content_hash == weights_hash(STATE) == SavedModel(EMBEDDER, dict(reversed(STATE.items()))).content_hash
    changed = STATE | {"layer.steps": torch.tensor(4)}
    renamed = {name.upper(): value for name, value in STATE.items()}
    assert len({model.content_hash, *(SavedModel(EMBEDDER, state).content_hash for state in (changed, renamed))}) == 3


def test_a_model_says_what_it_was_made_from_and_what_it_is() -> None:
    header = EMBEDDER.model_copy(update={"provenance": Provenance(made_from={"task_bank": "1a2b"})})
    model = SavedModel(header, STATE)
    assert model.identity("judge_embedder") == {"task_bank": "1a2b", "judge_embedder": model.content_hash}


def test_detached_tensors_stand_alone() -> None:
    whole = torch.zeros(10, requires_grad=True)
    part = detached({"part": whole[:2]})["part"]
    assert not part.requires_grad
    assert part.untyped_storage().nbytes() == 8
