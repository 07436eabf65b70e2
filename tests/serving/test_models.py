"""What the models answer in this process; over HTTP see test_http.py."""

from __future__ import annotations

import base64
import io
import itertools
import wave
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from mlflow.exceptions import MlflowException
from PIL import Image, ImageFile
from torch import Tensor

from metagan.domains import DOMAINS
from metagan.domains.image import generator_arguments
from metagan.domains.sound import RATE, Sound, audible, length, sound_of, spectrogram
from metagan.domains.spelling import LONGEST, decoded, encoded
from metagan.nets.generator import Generator
from metagan.parameters import ClassifierInner
from metagan.serving import limits
from metagan.serving.adapted_generator import AdaptedGenerator
from metagan.serving.base import ServedModel
from metagan.serving.classifier import ServedClassifier
from metagan.serving.limits import MOST_EXAMPLES, MOST_ROWS
from metagan.serving.meta_model import MetaModel
from metagan.serving.pictures import to_base64
from metagan.training.adapted_generator import adapt_generator
from metagan.training.classifier import load_classifier
from metagan.training.data import task_noise
from metagan.training.saved import ClassifierHeader, GanHeader, GeneratorHeader, SavedModel

from .conftest import WORDS, melodies
from .conftest import decoded as shown

HALF_A_LEVEL = {"atol": 0.5 / 255 + 1e-6, "rtol": 0}


def test_the_generator_draws_by_seed(generator: SavedModel[GeneratorHeader]) -> None:
    model = AdaptedGenerator(generator)
    network = Generator(**generator_arguments(generator.header.architecture))
    network.load_state_dict(generator.state)
    expected = network(task_noise(1, 0, 5, 4)).detach()
    torch.testing.assert_close(model.draw(5, seed=1), expected)
    torch.testing.assert_close(shown(list(model.answer(5, 1))), expected, **HALF_A_LEVEL)
    assert not torch.allclose(model.draw(5, seed=2), expected)
    header = generator.header.model_copy(update={"inverted": True})
    inverted = AdaptedGenerator(replace(generator, header=header))
    torch.testing.assert_close(inverted.draw(5, seed=1), 1 - expected)


def heard(file: str) -> tuple[Tensor, int]:
    """The numbers of a WAV file, and how many of them are a second."""
    with wave.open(io.BytesIO(base64.b64decode(file))) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        numbers = np.frombuffer(sound.readframes(sound.getnframes()), np.int16) / 2**15
        return torch.from_numpy(numbers), sound.getframerate()


def test_a_generator_of_speech_answers_with_sounds(sounding: SavedModel[GeneratorHeader]) -> None:
    """The samples inverted, in WAV files that say their rate."""
    model = AdaptedGenerator(sounding)
    answer = list(model.answer(3, seed=4))
    for file, stored in zip(answer, DOMAINS["speech"].to_stored(model.draw(3, seed=4)), strict=True):
        sound, rate = heard(file)
        assert rate == RATE == 8000 and len(sound) == length(16) and 0.8 < sound.abs().max() < 1
        torch.testing.assert_close(sound.float(), torch.from_numpy(sound_of(stored, 4)), atol=2**-15, rtol=0)
    assert list(model.answer(3, seed=4)) == answer != list(model.answer(3, seed=5))


def test_a_generator_of_text_answers_with_lines(wording: SavedModel[GeneratorHeader]) -> None:
    model = AdaptedGenerator(wording)
    lines = list(model.answer(40, seed=3))
    assert all(isinstance(line, str) and len(line) <= LONGEST for line in lines)
    assert lines == decoded(DOMAINS["text"].to_stored(model.draw(40, seed=3)))
    assert list(model.answer(40, seed=3)) == lines != list(model.answer(40, seed=4))


def test_a_temperature_multiplies_that_of_the_noise(
    generator: SavedModel[GeneratorHeader], wording: SavedModel[GeneratorHeader]
) -> None:
    drawing, writing = AdaptedGenerator(generator), AdaptedGenerator(wording)
    spread = [drawing.draw(32, 0, temperature).std(0).mean() for temperature in (0.1, 1.0)]
    assert spread[0] < spread[1] / 2
    state = {name: value * (0.3 if name.endswith("loudness") else 1) for name, value in wording.state.items()}
    cooler = list(AdaptedGenerator(replace(wording, state=state)).answer(30, 0))
    assert list(writing.answer(30, 0, 0.3)) == cooler != list(writing.answer(30, 0))


def test_the_meta_model_is_adapted_to_pictures(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    model = MetaModel(meta_model)
    expected, _ = adapt_generator(meta_model, pictures, 3, 1, 7, progress=False)
    adapted = model.adapt(pictures, steps=3, seed=7)
    assert all(torch.equal(adapted.model.state[name], value) for name, value in expected.state.items())
    assert not torch.allclose(adapted.draw(4, 1), model.adapt(1 - pictures, steps=3, seed=7).draw(4, 1))
    assert list(model.answer(pictures=to_base64(pictures), n=4, seed=7, steps=3)) == list(adapted.answer(4, 7))


def base64_wav(sound: Sound) -> str:
    """Not rounded to 16 bits."""
    file = io.BytesIO()
    soundfile.write(file, sound, RATE, format="WAV", subtype="FLOAT")
    return base64.b64encode(file.getvalue()).decode()


def test_the_meta_model_is_adapted_to_recordings_and_to_lines(
    speaking: SavedModel[GanHeader], writing: SavedModel[GanHeader]
) -> None:
    heard = np.stack([spectrogram(audible(sound - sound.mean()), 16) for sound in melodies()])
    for model, given, stored in (
        (MetaModel(speaking), {"recordings": [base64_wav(sound) for sound in melodies()]}, heard),
        (MetaModel(writing), {"lines": [word.upper() for word in WORDS]}, encoded(WORDS)),
    ):
        domain = DOMAINS[model.model.header.architecture.domain]
        expected = model.adapt(domain.to_tensor(stored), steps=2, seed=7)
        answer = list(model.answer(n=4, seed=7, steps=2, temperature=0.5, **given))
        assert answer == list(expected.answer(4, 7, 0.5)) != list(expected.answer(4, 7))
        assert len(model.predict(None, pd.DataFrame([model.example()]))) == 2


def test_bad_recordings_and_lines_are_told_by_their_number(
    speaking: SavedModel[GanHeader], writing: SavedModel[GanHeader]
) -> None:
    good, silent = base64_wav(melodies()[0]), base64_wav(np.zeros(RATE, np.float32))
    cut = base64.b64encode(base64.b64decode(good)[:100]).decode()
    for bad, reason in (
        ("no base64!", "is no recording as base64 text"),
        (picture_file(8, 8), "is no recording as base64 text"),
        (silent, "cannot be read as a recording (it is silent)"),
        (cut, "cannot be read as a recording (it lasts"),
    ):
        assert refusal(MetaModel(speaking), {"recordings": [good, bad]}).startswith(f"recordings: number 1 {reason}")
    for bad, reason in (
        ("", "(empty)"),
        ("123", "(without letters)"),
        ("ab\x07", "(with control characters)"),
        ("ab\ncd", "(more than one)"),
        ("a" * 17, "(longer than 16 characters)"),
    ):
        told = refusal(MetaModel(writing), {"lines": ["maruba", bad]})
        assert told == f"lines: number 1 cannot be read as a line {reason}"
    told = refusal(MetaModel(writing), {"lines": ["maruba", "a" * 10**6]})
    assert told == "lines: number 1 has 1000000 characters, more than 256"
    for model in (MetaModel(speaking), MetaModel(writing)):
        assert refusal(model, {model.own: []}) == f"{model.own}: 0 is not in 1 to 50"
        assert refusal(model, {model.own: [good] * 51}) == f"{model.own}: 51 is not in 1 to 50"


def test_a_recording_of_too_many_numbers_is_refused_before_it_is_decoded(
    speaking: SavedModel[GanHeader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence that FLAC packs into few bytes."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros((6_000_000, 8), np.int16), 600_000, format="FLAC")
    packed = base64.b64encode(file.getvalue()).decode()
    assert len(packed) < 2**20
    monkeypatch.setattr(soundfile.SoundFile, "read", None)  # never called
    assert refusal(MetaModel(speaking), {"recordings": [packed]}) == (
        "recordings: number 0 has 48000000 numbers, more than 16777216"
    )


@pytest.mark.parametrize("shots", [(1, 1), (2, 1, 3)])
def test_the_classifier_answers_by_name(classifier: SavedModel[ClassifierHeader], shots: tuple[int, ...]) -> None:
    images = torch.randint(256, (sum(shots) + 4, 1, 16, 16), generator=torch.Generator().manual_seed(1)) / 255
    *support, query = images.split([*shots, 4])
    names = ["cat", "dog", "owl"][: len(shots)]
    named = {name: to_base64(of_class) for name, of_class in zip(names, support, strict=True)}
    answer = ServedClassifier(classifier).answer(to_base64(query), named)
    model = load_classifier(classifier)
    features, *of_classes = [model.learner.embed(model.parameters, images).detach() for images in (query, *support)]
    prototypes = torch.stack([of_class.mean(0) for of_class in of_classes])
    expected = (-(torch.cdist(features, prototypes) ** 2)).softmax(1)
    assert all(list(row) == names for row in answer)
    torch.testing.assert_close(torch.tensor([list(row.values()) for row in answer]), expected, atol=1e-4, rtol=1e-3)


def with_settings(classifier: SavedModel[ClassifierHeader], **changes: Any) -> SavedModel[ClassifierHeader]:
    settings = classifier.header.settings.model_copy(update=changes)
    return replace(classifier, header=classifier.header.model_copy(update={"settings": settings}))


def refusal(model: ServedModel, *rows: dict[str, Any]) -> str:
    """What a request of these rows is told."""
    with pytest.raises(MlflowException) as caught:
        model.predict(None, pd.DataFrame(rows))
    assert caught.value.get_http_status_code() == 400
    assert "\n" not in caught.value.message
    return caught.value.message


def test_bad_rows_are_told_by_the_name_of_the_column(
    meta_model: SavedModel[GanHeader],
    generator: SavedModel[GeneratorHeader],
    classifier: SavedModel[ClassifierHeader],
    pictures: Tensor,
) -> None:
    files = to_base64(pictures)
    for n in (0, 257):
        assert refusal(AdaptedGenerator(generator), {"n": n}).startswith(f"n: {n} is not in 1 to 256")
    assert refusal(AdaptedGenerator(generator), {"n": 1, "seed": -1}).startswith("seed: -1")
    for heat in (0.0, 11.0, float("nan")):
        told = refusal(AdaptedGenerator(generator), {"n": 1, "temperature": heat})
        assert told == f"temperature: {heat} is not in 0.01 to 10.0"
    for heat in ("hot", True, None):
        assert (
            refusal(AdaptedGenerator(generator), {"n": 1, "temperature": heat})
            == f"temperature: {str(heat)!r} is no number"
        )
    adapting, telling = MetaModel(meta_model), ServedClassifier(classifier)
    assert refusal(adapting, {"pictures": files, "steps": 51}).startswith("steps: 51")
    assert refusal(adapting, {"pictures": files * 17}).startswith("pictures: 51")
    one, two = {"cat": files}, {"cat": files, "dog": []}
    assert refusal(telling, {"query": files, "support": one}).startswith("support: holds 1 classes, but 2 or more")
    assert refusal(telling, {"query": files, "support": two}).startswith("support.dog: holds no picture")
    with_a_head = ServedClassifier(with_settings(classifier, method="fine_tune"))
    three = dict.fromkeys(("cat", "dog", "owl"), files)
    told = refusal(with_a_head, {"query": files, "support": three})
    assert told.startswith("support: holds 3 classes, but the model tells 2 apart")


def picture_file(width: int, height: int) -> str:
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def nothing_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(self: object, *arguments: object, **named: object) -> None:
        raise AssertionError("decoded before it was refused")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)


@pytest.mark.usefixtures("nothing_is_decoded")
def test_what_is_too_much_is_refused_by_name_before_the_work_is_done(
    meta_model: SavedModel[GanHeader],
    generator: SavedModel[GeneratorHeader],
    classifier: SavedModel[ClassifierHeader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawing, adapting, telling = AdaptedGenerator(generator), MetaModel(meta_model), ServedClassifier(classifier)
    for model in (drawing, adapting, telling):
        monkeypatch.setattr(model, "answer", None)  # never called
    assert refusal(drawing, *[{"n": 1}] * 65) == "rows: 65 are more than the 64 of a request"
    assert refusal(drawing, *[{"n": 256}] * 5) == "examples: 1280 are more than the 1024 of a request"
    small, photo, huge = picture_file(1, 1), picture_file(4096, 4096), picture_file(9000, 9000)
    assert refusal(adapting, {"pictures": [small, huge]}) == (
        "pictures: number 1 has 9000 x 9000, more than the 16777216 pixels of a picture"
    )
    assert refusal(adapting, {"pictures": [photo] * 5}) == "numbers: 83886080 are more than the 67108864 of a request"
    five = {"cat": [photo] * 2, "dog": [photo] * 2}
    assert refusal(telling, {"query": [photo], "support": five}).startswith("numbers: 83886080 are more than")
    assert refusal(telling, {"query": [small], "support": {"cat": [small], "dog": [huge]}}).startswith(
        "support.dog: number 0 has 9000 x 9000"
    )
    many = {"cat": [small] * 600, "dog": [small] * 600}
    assert refusal(telling, {"query": [small], "support": many}).startswith("examples: 1201 are more than the 1024")


def test_what_is_just_enough_is_answered(generator: SavedModel[GeneratorHeader]) -> None:
    rows = pd.DataFrame([{"n": MOST_EXAMPLES // MOST_ROWS, "seed": seed} for seed in range(MOST_ROWS)])
    assert len(AdaptedGenerator(generator).predict(None, rows)) == MOST_EXAMPLES


def test_a_request_that_takes_too_long_ends(
    meta_model: SavedModel[GanHeader],
    classifier: SavedModel[ClassifierHeader],
    pictures: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the midst of a row: after each function of torch the time is up a second earlier."""
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    files = to_base64(pictures)
    slow = with_settings(classifier, inner=ClassifierInner(test_steps=500))
    for model, row in (
        (MetaModel(meta_model), {"pictures": files, "steps": 50}),
        (ServedClassifier(slow), {"query": files, "support": {"cat": files, "dog": files}}),
    ):
        with pytest.raises(MlflowException, match=r"^seconds: the 30 of a request are over") as caught:
            model.predict(None, pd.DataFrame([row]))
        assert caught.value.get_http_status_code() == 504
        assert torch.is_grad_enabled()  # for the next request that the thread answers
