"""Nodes that train and check the embedders."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from metagan.parameters import Embedder, EmbedderNetwork
from metagan.tasks.bank import TaskBank
from metagan.training.embedder import few_shot_accuracy, load_embedder, train_embedder

Payload = dict[str, Any]


def train(bank: TaskBank, network: dict[str, Any], seed: int) -> Payload:
    """Train one embedder on the train classes."""
    started = perf_counter()
    payload = train_embedder(bank, EmbedderNetwork.model_validate(network), seed)
    return {**payload, "seconds": perf_counter() - started}


def measure(
    bank: TaskBank,
    evaluation_embedder: Payload,
    objective_embedder: Payload,
    judge_embedder: Payload,
    embedder: dict[str, Any],
    seed: int,
) -> dict[str, dict[str, float]]:
    """Few-shot accuracy of the embedders on the test classes, 20-way 1-shot where there are as many classes."""
    payloads = {"evaluation": evaluation_embedder, "objective": objective_embedder, "judge": judge_embedder}
    settings = Embedder.model_validate(embedder)
    n_way = min(20, len(bank.splits["test"]))
    return {
        role: {
            "accuracy_20way_1shot": few_shot_accuracy(
                load_embedder(payload, bank), bank, "test", n_way, 1, settings.accuracy_episodes, seed
            ),
            "n_way": n_way,
            "seconds": payload["seconds"],
        }
        for role, payload in payloads.items()
    }
