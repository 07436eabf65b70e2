"""Nodes that measure speech beside plain baselines, and make a page to listen to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metagan.domains.sound import PEAK, Sound, sound_of, spectrogram
from metagan.errors import UserError
from metagan.evaluation.speech import gaussian, jittered, speech_table, who_said_what
from metagan.evaluation.use import Sampler, stored_samples
from metagan.identity import together
from metagan.parameters import Evaluate, EvaluateSpeech, MetaTrain, Tasks
from metagan.parameters.evaluate import headline_step
from metagan.reporting.listening import COLUMNS, Heard, listening_page, sound_check
from metagan.tasks.bank import TaskBank, plan_bank
from metagan.training.arms import make_sampler
from metagan.training.embedder import load_embedder
from metagan.training.gan import architecture_of, load_gan
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel
from metagan.training.trajectories import sampling_map

SPEAKERS_AND_DIGITS = "spoken_digits"
"""The source whose classes are named so."""


def evaluate(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    judge_embedder: SavedModel[EmbedderHeader],
    meta_model: SavedModel[GanHeader],
    evaluate: dict[str, Any],
    evaluate_speech: dict[str, Any],
    meta_train: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """The metrics of each arm, and, of spoken digits, shares of samples that are taken for their digit and speaker."""
    origin = together(
        "evaluate_speech",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        judge_embedder=judge_embedder.identity("judge_embedder"),
        meta_model=meta_model.identity("meta_model"),
    )
    settings, own = Evaluate.model_validate(evaluate), EvaluateSpeech.model_validate(evaluate_speech)
    step, arms = headline_step(settings.steps), _arms(bank, meta_model, meta_train)
    embed, judge = (load_embedder(saved, bank) for saved in (evaluation_embedder, judge_embedder))
    said = {}
    if bank.source == SPEAKERS_AND_DIGITS:
        said = who_said_what(bank, arms, step, settings.k_shot, own, seed)
    table = speech_table(bank, embed, judge, arms, step, settings, seed)
    return {"made_from": origin, "source": bank.source, "step": step, "arms": table, "recognised": said}


def listen(
    bank: TaskBank,
    meta_model: SavedModel[GanHeader],
    tasks: dict[str, Any],
    evaluate: dict[str, Any],
    evaluate_speech: dict[str, Any],
    meta_train: dict[str, Any],
    seed: int,
    raw_folder: Path,
) -> tuple[str, dict[str, dict[str, float]]]:
    """The page, and what its sounds are like by arm. Raises UserError where the bank is of other tasks than these."""
    together("evaluate_speech", task_bank=bank.identity, meta_model=meta_model.identity("meta_model"))
    settings, own = Evaluate.model_validate(evaluate), EvaluateSpeech.model_validate(evaluate_speech)
    source = plan_bank(Tasks.model_validate(tasks), seed, raw_folder).source
    if source.classes != bank.classes:
        raise UserError(
            "evaluate_speech: the task bank has other classes than tasks says: run the pipeline tasks again"
        )
    arms, step = _arms(bank, meta_model, meta_train), headline_step(settings.steps)
    k_shot, n = settings.k_shot, own.page_samples
    classes = np.random.default_rng(seed).permutation(bank.splits[settings.split])[: own.page_classes]
    rows: dict[str, dict[str, list[Heard]]] = {}
    for index in classes:
        images = bank.class_images(int(index))
        support = bank.domain.to_tensor(images[:k_shot])[None]
        shown = {
            name: bank.domain.to_stored(stored_samples(bank.domain, sampler, support, (step,), n, seed)[0, 0])
            for name, sampler in arms.items()
        } | {"inverted_real": images[k_shot : k_shot + n]}
        row = {name: [_inverted(one, seed) for one in own_shown] for name, own_shown in shown.items()}
        recorded = source.recordings[int(index)]()[k_shot : k_shot + n]
        size = bank.example.shape[-1]
        row["real"] = [Heard(sound * (PEAK / np.abs(sound).max()), spectrogram(sound, size)) for sound in recorded]
        rows[bank.classes[int(index)].name] = row
    checks = {arm: sound_check([heard.sound for row in rows.values() for heard in row[arm]]) for arm in COLUMNS}
    return listening_page(rows, checks), checks


def _inverted(shown: np.ndarray, seed: int) -> Heard:
    """What can be heard of a spectrogram, and what that looks like."""
    sound: Sound = sound_of(shown, seed)
    return Heard(sound, spectrogram(sound, shown.shape[-1]))


def metrics(speech: dict[str, Any], sound_checks: dict[str, dict[str, float]]) -> dict[str, list[dict[str, float]]]:
    """MLflow metrics `speech/<arm>/<metric>`, of the table, of recognition (`recognised_digit`) and of the sounds."""
    found = {f"speech/{arm}/{name}": value for arm, row in speech["arms"].items() for name, value in row.items()}
    for kind, shares in speech["recognised"].items():
        found |= {f"speech/{arm}/recognised_{kind}": share for arm, share in shares.items()}
    found |= {f"speech/{arm}/{name}": value for arm, row in sound_checks.items() for name, value in row.items()}
    return {name: [{"value": value, "step": 0}] for name, value in found.items() if np.isfinite(value)}


def _arms(bank: TaskBank, meta_model: SavedModel[GanHeader], meta_train: dict[str, Any]) -> dict[str, Sampler]:
    """The trained model and the two baselines. Raises UserError for a bank that is not of speech."""
    if bank.example.domain != "speech":
        raise UserError(
            f"evaluate_speech: measures speech, but the task bank of {bank.source} has {bank.example.domain}"
        )
    training = MetaTrain.model_validate(meta_train)
    gan = load_gan(meta_model, "meta_model", architecture_of(bank, training))
    adapted = make_sampler(sampling_map(gan, training), gan)
    return {"adapted": adapted, "jittered": jittered(bank.domain), "gaussian": gaussian}
