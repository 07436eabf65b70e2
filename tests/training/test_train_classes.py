from __future__ import annotations

from pathlib import Path

import pytest
import torch

from metagan.evaluation.calibration import fitted_temperature
from metagan.meta.class_posterior import class_prior
from metagan.meta.methods.posterior import PosteriorLearner
from metagan.parameters import ClassifierSettings, Trainer
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training.classifier import load_classifier
from metagan.training.classifier_training import train_classifier
from metagan.training.episodes import episode_task
from metagan.training.saved import ClassifierHeader, SavedModel

SETTINGS = ClassifierSettings.model_validate(
    {
        "method": "posterior",
        "n_way": 2,
        "k_shot": 2,
        "n_query": 3,
        "tasks_per_step": 2,
        "meta_steps": 4,
        "validate_every": 4,
        "validation_tasks": 6,
        "network": {"width": 4},
    }
)


@pytest.fixture(scope="module")
def saved(bank: TaskBank, tmp_path_factory: pytest.TempPathFactory) -> SavedModel[ClassifierHeader]:
    folder: Path = tmp_path_factory.mktemp("training")
    return train_classifier(bank, SETTINGS, Trainer(), 0, folder, None)[0]


def test_the_prior_is_that_of_the_features_of_train_classes(
    saved: SavedModel[ClassifierHeader], bank: TaskBank
) -> None:
    learner = load_classifier(saved).learner
    assert isinstance(learner, PosteriorLearner)
    images = [bank.domain.to_tensor(bank.class_images(int(index))) for index in bank.splits["train"]]
    labels = torch.cat([torch.full((len(part),), place) for place, part in enumerate(images)])
    expected = class_prior(learner.embed(saved.state, torch.cat(images)).detach(), labels)
    for name, value in expected._asdict().items():
        torch.testing.assert_close(saved.state[f"prior.{name}"].abs(), value.abs(), rtol=1e-4, atol=1e-4)


def test_the_temperature_suits_val_classes(saved: SavedModel[ClassifierHeader], bank: TaskBank) -> None:
    """Fitted again to the answers that it has tempered, it is 1."""
    model = load_classifier(saved)
    tasks = [episode_task(task_stream(bank, 0), "val", index, 2, 2, 3) for index in range(6)]
    with torch.no_grad():
        logits = torch.stack([model.predictor(task)(task["query"]) for task in tasks])
    temperature = saved.state["prior.temperature"].item()
    assert 0.011 < temperature < 99  # else it stands at an end of what is searched
    assert fitted_temperature(logits[None], torch.stack([task["query_labels"] for task in tasks])) == pytest.approx(
        1.0, abs=0.01
    )
    assert temperature != pytest.approx(1.0, abs=0.01)
