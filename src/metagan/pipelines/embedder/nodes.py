"""Nodes that train and check the embedders."""

from __future__ import annotations

from typing import Any

from metagan.identity import together
from metagan.parameters import EmbedderNetwork, EmbedderSettings
from metagan.tasks.bank import TaskBank
from metagan.training.embedder import few_shot_accuracy, load_embedder, train_embedder
from metagan.training.saved import EmbedderHeader, SavedModel


def train(bank: TaskBank, network: dict[str, Any], seed: int) -> SavedModel[EmbedderHeader]:
    """Train one embedder on the train classes."""
    return train_embedder(bank, EmbedderNetwork.model_validate(network), seed)


def measure(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    judge_embedder: SavedModel[EmbedderHeader],
    embedder: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Few-shot accuracy of the embedders on the test classes, 20-way 1-shot where there are as many classes."""
    trained = {"evaluation": evaluation_embedder, "objective": objective_embedder, "judge": judge_embedder}
    identities = {f"{role}_embedder": saved.identity(f"{role}_embedder") for role, saved in trained.items()}
    made_from = together("embedder", task_bank=bank.identity, **identities)
    settings = EmbedderSettings.model_validate(embedder)
    n_way = min(20, len(bank.splits["test"]))
    return {"made_from": made_from} | {
        role: {
            "accuracy_20way_1shot": few_shot_accuracy(
                load_embedder(saved, bank), bank, "test", n_way, 1, settings.accuracy_episodes, seed
            ),
            "n_way": n_way,
            "seconds": saved.header.provenance.seconds,
        }
        for role, saved in trained.items()
    }
