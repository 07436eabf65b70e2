"""Nodes that hold the model's words of unseen classes against those of n-gram models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from metagan.evaluation.n_grams import Mixture
from metagan.evaluation.word_lists import WordTask, above, measured
from metagan.identity import together
from metagan.parameters import MetaTrain, TextSettings
from metagan.reporting.words import curve_picture, page
from metagan.tasks.bank import TaskBank
from metagan.training.gan import load_gan
from metagan.training.saved import GanHeader, SavedModel
from metagan.training.word_arms import (
    Write,
    all_languages,
    best_share,
    model_writer,
    n_gram_writer,
    support_models,
    word_tasks,
    words_of,
)

Table = dict[str, Any]


def evaluate(bank: TaskBank, meta_model: SavedModel[GanHeader], text: Table, meta_train: Table, seed: int) -> Table:
    """A row for each arm and temperature, how far the model is above either curve, and words to look at."""
    settings, training = TextSettings.model_validate(text), MetaTrain.model_validate(meta_train)
    origin = together("evaluate_text", task_bank=bank.identity, meta_model=meta_model.identity("meta_model"))
    meta_model.header.check_shots("text.k_shot", settings.k_shot)
    tasks = word_tasks(bank, "test", settings, seed)
    known = {word for class_index in bank.splits["train"] for word in words_of(bank, int(class_index))}
    everything = all_languages(bank, settings)
    share = best_share(everything, word_tasks(bank, "val", settings, seed), settings)
    own = support_models(tasks, settings)
    writers: dict[str, Write] = {
        "model": model_writer(load_gan(meta_model, "meta_model"), training, tasks, bank, settings, seed),
        "n_grams": n_gram_writer(own, settings, seed),
        "n_grams_of_all": n_gram_writer([Mixture(one, everything, share) for one in own], settings, seed),
    }
    lists = {arm: {heat: write(heat) for heat in settings.temperatures} for arm, write in writers.items()}
    arms = {
        arm: [{"temperature": heat, **measured(made, tasks, known)} for heat, made in by_heat.items()]
        for arm, by_heat in lists.items()
    }
    real = [task.real for task in tasks]
    copies = [[task.support[i % settings.k_shot] for i in range(settings.samples)] for task in tasks]
    as_trained = min(settings.temperatures, key=lambda heat: abs(heat - 1))
    return {
        "made_from": origin,
        "classes": len(tasks),
        "k_shot": settings.k_shot,
        "samples": settings.samples,
        "step": settings.step,
        "share_of_support": share,
        "arms": arms,
        "real": measured(real, tasks, known),
        "copies": measured(copies, tasks, known),
        "above": {arm: [above(point, arms[arm]) for point in arms["model"]] for arm in ("n_grams", "n_grams_of_all")},
        "shown": _shown(tasks[: settings.shown], {arm: by_heat[as_trained] for arm, by_heat in lists.items()}),
    }


def _shown(tasks: Sequence[WordTask], lists: dict[str, list[list[str]]]) -> list[Table]:
    return [
        {
            "class": task.name,
            "support": list(task.support),
            "real": list(task.real[:16]),
            **{arm: made[number][:16] for arm, made in lists.items()},
        }
        for number, task in enumerate(tasks)
    ]


def draw(word_lists: Table) -> tuple[Image.Image, str]:
    """The curves, and a page with tables and words."""
    return curve_picture(word_lists), page(word_lists)


def metrics(word_lists: Table) -> dict[str, list[dict[str, float]]]:
    """MLflow metrics `words/<arm>/<measure>`, with the temperature in hundredths as step where there are several."""
    logged = {}
    for arm, rows in word_lists["arms"].items():
        for name in (name for name in rows[0] if name != "temperature"):
            logged[f"words/{arm}/{name}"] = [
                {"value": row[name], "step": round(100 * row["temperature"])} for row in rows
            ]
    for arm in ("real", "copies"):
        logged |= {f"words/{arm}/{name}": [{"value": value, "step": 0}] for name, value in word_lists[arm].items()}
    return logged
