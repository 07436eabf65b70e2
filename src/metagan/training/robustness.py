"""Trained classifiers as the robustness evaluation asks for them: adapted to the episodes of a split."""

from __future__ import annotations

from torch import Tensor

from metagan.evaluation.judge import EpisodeModel
from metagan.evaluation.robustness import AdaptEpisode, SupportSet
from metagan.tasks.bank import TaskBank
from metagan.training.classifier import load_classifier
from metagan.training.episodes import episode_task
from metagan.training.saved import ClassifierHeader, SavedModel


def adapted_episodes(
    classifier: SavedModel[ClassifierHeader],
    bank: TaskBank,
    split: str,
    seed: int,
    n_way: int,
    k_shot: int,
    n_query: int,
) -> AdaptEpisode:
    """Adapts a classifier, built anew for each episode so that threads share no module, to episode `index`.

    Raises UserError when the classifier does not fit the number of ways or images.
    """
    load_classifier(classifier).check_fit(bank, n_way)
    norm = classifier.header.settings.adversary.norm

    def adapt(index: int, support: Tensor | None) -> EpisodeModel:
        model = load_classifier(classifier)
        task = episode_task(bank, split, seed, index, n_way, k_shot, n_query, norm=norm)
        if support is not None:
            task["support"] = support
        return EpisodeModel(model.predictor(task), task["query"], task["query_labels"], model.is_transductive)

    return adapt


def support_sets(bank: TaskBank, split: str, seed: int, n_way: int, k_shot: int, n_query: int) -> SupportSet:
    """The images and labels of each episode's support set."""

    def support_of(index: int) -> tuple[Tensor, Tensor]:
        task = episode_task(bank, split, seed, index, n_way, k_shot, n_query)
        return task["support"], task["support_labels"]

    return support_of
