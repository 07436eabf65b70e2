"""Trained classifiers as the robustness evaluation asks for them: adapted to the episodes of a split."""

from __future__ import annotations

import copy
from dataclasses import replace

from torch import Tensor

from metagan.evaluation.judge import EpisodeModel
from metagan.evaluation.robust_accuracy import AdaptEpisode, SupportSet
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
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
    """Adapts a classifier to episode `index`: a copy of it, since threads must not share a module.

    Raises UserError when the classifier does not fit the number of ways or images.
    """
    model = load_classifier(classifier)
    model.check_fit(bank, n_way)
    stream = task_stream(bank, seed)
    norm = classifier.header.settings.adversary.norm

    def adapt(index: int, support: Tensor | None) -> EpisodeModel:
        own = replace(model, learner=copy.deepcopy(model.learner))
        task = episode_task(stream, split, index, n_way, k_shot, n_query, norm=norm)
        if support is not None:
            task["support"] = support
        return EpisodeModel(own.predictor(task), task["query"], task["query_labels"], own.is_transductive)

    return adapt


def support_sets(bank: TaskBank, split: str, seed: int, n_way: int, k_shot: int, n_query: int) -> SupportSet:
    """The images and labels of each episode's support set."""

    stream = task_stream(bank, seed)

    def support_of(index: int) -> tuple[Tensor, Tensor]:
        task = episode_task(stream, split, index, n_way, k_shot, n_query)
        return task["support"], task["support_labels"]

    return support_of
