"""What the models answer in this process; over HTTP see test_http.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from metagan.nets.generator import Generator
from metagan.serving.adapted_generator import AdaptedGenerator
from metagan.serving.classifier import FewShotClassifier
from metagan.serving.meta_model import MetaModel
from metagan.serving.pictures import from_base64, to_base64
from metagan.training.adapted_generator import adapt_generator
from metagan.training.classifier import load_classifier
from metagan.training.data import task_noise

HALF_A_LEVEL = {"atol": 0.5 / 255 + 1e-6, "rtol": 0}


def test_the_generator_draws_by_seed(generator: dict[str, Any]) -> None:
    model = AdaptedGenerator(generator)
    network = Generator(**generator["architecture"])
    network.load_state_dict(generator["state"])
    expected = network(task_noise(1, 0, 5, 4)).detach()
    torch.testing.assert_close(model.draw(5, seed=1), expected)
    torch.testing.assert_close(from_base64("", model.answer(5, 1), 16, 1), expected, **HALF_A_LEVEL)
    assert not torch.allclose(model.draw(5, seed=2), expected)
    inverted = AdaptedGenerator({**generator, "inverted": True})
    torch.testing.assert_close(inverted.draw(5, seed=1), 1 - expected)


def test_the_meta_model_is_adapted_to_pictures(meta_model: dict[str, Any], pictures: Tensor) -> None:
    model = MetaModel(meta_model)
    expected, _ = adapt_generator(meta_model, pictures, 3, 1, 7, progress=False)
    adapted = model.adapt(pictures, steps=3, seed=7)
    assert all(torch.equal(adapted.payload["state"][name], value) for name, value in expected["state"].items())
    assert not torch.allclose(adapted.draw(4, 1), model.adapt(1 - pictures, steps=3, seed=7).draw(4, 1))
    assert model.answer(to_base64(pictures), n=4, seed=7, steps=3) == adapted.answer(4, 7)


@pytest.mark.parametrize("shots", [(1, 1), (2, 1, 3)])
def test_the_classifier_answers_by_name(classifier: dict[str, Any], shots: tuple[int, ...]) -> None:
    images = torch.randint(256, (sum(shots) + 4, 1, 16, 16), generator=torch.Generator().manual_seed(1)) / 255
    *support, query = images.split([*shots, 4])
    names = ["cat", "dog", "owl"][: len(shots)]
    named = {name: to_base64(of_class) for name, of_class in zip(names, support, strict=True)}
    answer = FewShotClassifier(classifier).answer(to_base64(query), named)
    model = load_classifier(classifier)
    features, *of_classes = [model.learner.embed(model.parameters, images).detach() for images in (query, *support)]
    prototypes = torch.stack([of_class.mean(0) for of_class in of_classes])
    expected = (-(torch.cdist(features, prototypes) ** 2)).softmax(1)
    assert all(list(row) == names for row in answer)
    torch.testing.assert_close(torch.tensor([list(row.values()) for row in answer]), expected, atol=1e-4, rtol=1e-3)


def test_bad_rows_are_told_by_the_name_of_the_column(
    meta_model: dict[str, Any], generator: dict[str, Any], classifier: dict[str, Any], pictures: Tensor
) -> None:
    files = to_base64(pictures)
    for n in (0, 257):
        with pytest.raises(ValueError, match=f"^n: {n} is not in 1 to 256"):
            AdaptedGenerator(generator).answer(n)
    with pytest.raises(ValueError, match=r"^seed: -1"):
        AdaptedGenerator(generator).answer(1, -1)
    with pytest.raises(ValueError, match=r"^steps: 51"):
        MetaModel(meta_model).answer(files, steps=51)
    with pytest.raises(ValueError, match=r"^pictures: 51"):
        MetaModel(meta_model).answer(files * 17)
    with pytest.raises(ValueError, match=r"^support: holds 1 classes, but 2 or more"):
        FewShotClassifier(classifier).answer(files, {"cat": files})
    with pytest.raises(ValueError, match=r"^support\.dog: holds no picture"):
        FewShotClassifier(classifier).answer(files, {"cat": files, "dog": []})
    with_a_head = FewShotClassifier({**classifier, "settings": {**classifier["settings"], "method": "fine_tune"}})
    with pytest.raises(ValueError, match=r"^support: holds 3 classes, but the model tells 2 apart"):
        with_a_head.answer(files, dict.fromkeys(("cat", "dog", "owl"), files))
