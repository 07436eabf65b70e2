"""Trained models in the MLflow registry, the best of each name as `@champion`."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import mlflow
from kedro.io import AbstractDataset, DatasetError
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT
from requests import RequestException

import metagan
from metagan.domains import domain_of
from metagan.files import save_tensors
from metagan.io.outbox import is_away
from metagan.reporting.model_card import model_card
from metagan.serving.adapted_generator import AdaptedGenerator
from metagan.serving.base import WEIGHTS, ServedModel
from metagan.serving.classifier import ServedClassifier
from metagan.serving.meta_model import MetaModel
from metagan.training.saved import Header, SavedModel

PACKAGE = Path(metagan.__file__).parent
SERVED: dict[str, type[ServedModel]] = {
    "meta_model": MetaModel,
    "adapted_generator": AdaptedGenerator,
    "classifier": ServedClassifier,
}
# What the models import; the code of metagan itself travels with them.
REQUIREMENTS = (
    "joblib", "lightning", "matplotlib", "mlflow", "numpy", "pandas", "pillow", "psutil", "pydantic", "scikit-learn",
    "scipy", "torch", "tqdm",
)  # fmt: skip
CHAMPION = "champion"
DESCRIPTION_LENGTH = 5000  # the longest that MLflow's database takes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A trained model that would be champion of `name`.

    It is if its `score` (higher is better) beats that of a champion that was `scored_on` the same. A champion that was
    scored on something else stays, or gives way if `newest_subject` says that there is now something else to show.
    """

    name: str
    model: SavedModel[Header]
    score: float
    scored_on: str
    about: str
    facts: Mapping[str, object]
    limits: str
    newest_subject: bool = False


class RegistryDataset(AbstractDataset[Candidate, NoReturn]):
    """Saving logs a candidate into the active MLflow run, registers it, and moves the alias if it is better.

    Without a run nothing is saved. What MLflow cannot or will not register is said, and the run goes on.
    """

    def __init__(self, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def save(self, data: Candidate) -> None:
        if not mlflow.active_run():
            return
        kind, domain = data.model.header.kind, data.model.header.architecture.domain
        if not SERVED[kind].serves(domain):
            log.warning("%s: is not registered; a served %s is not of %s", data.name, kind.replace("_", " "), domain)
            return
        try:
            number = register(data)
            _crown_if_better(data, number)
        except (MlflowException, RequestException) as error:
            place = mlflow.get_tracking_uri()
            log.warning(
                "%s: %s is not registered; its weights are on disk, and the node register_%s can be run again",
                f"{place} does not answer" if is_away(error) else f"{place} refuses: {error}", data.name,
                data.model.header.kind,
            )  # fmt: skip

    def load(self) -> NoReturn:
        raise DatasetError("models are loaded by mlflow.pyfunc.load_model")

    def _describe(self) -> dict[str, Any]:
        return {"registry_uri": mlflow.get_registry_uri()}


def register(candidate: Candidate) -> str:
    """Log the candidate into the active MLflow run and register it; the number of its version."""
    kind = candidate.model.header.kind
    served, model = SERVED[kind], SERVED[kind](candidate.model)
    domain = domain_of(candidate.model.header.architecture)
    packages = [*REQUIREMENTS, *(name for name in domain.packages if find_spec(name))]
    client, run = mlflow.MlflowClient(), mlflow.active_run()
    tags = client.get_run(run.info.run_id).data.tags
    weights_of = candidate.model.identity("weights")
    made_from = {name.replace("_", " "): content_hash for name, content_hash in weights_of.items()}
    facts = {**candidate.facts, **made_from, "score": candidate.score, "scored on": candidate.scored_on}
    origin = {"commit": tags.get(MLFLOW_GIT_COMMIT, "unknown"), "run": run.info.run_id}
    card = model_card(candidate.name, candidate.about, {**facts, **origin}, candidate.limits)
    with TemporaryDirectory() as folder:
        weights, page = Path(folder) / f"{kind}.pt", Path(folder) / "model_card.md"
        save_tensors(candidate.model.as_content(), weights)
        page.write_text(card, encoding="utf-8")
        logged = mlflow.pyfunc.log_model(
            name=kind,
            python_model=inspect.getfile(served),
            artifacts={WEIGHTS: str(weights), "model_card": str(page)},
            code_paths=[str(PACKAGE)],
            signature=model.signature,
            input_example=model.example(),
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in packages],
        )
    made = mlflow.register_model(logged.model_uri, candidate.name)
    client.update_model_version(candidate.name, made.version, card[:DESCRIPTION_LENGTH])
    for name, value in (("score", candidate.score), ("scored_on", candidate.scored_on)):
        client.set_model_version_tag(candidate.name, made.version, name, str(value))
    return made.version


def _crown_if_better(candidate: Candidate, number: str) -> None:
    client = mlflow.MlflowClient()
    reign = client.get_registered_model(candidate.name).aliases.get(CHAMPION)
    if reign is not None:
        tags = client.get_model_version(candidate.name, reign).tags
        same = tags.get("scored_on") == candidate.scored_on
        if not same and not candidate.newest_subject:
            log.warning(
                "%s version %s was scored on something else than the champion, version %s, which stays: %s, not %s. To "
                "crown it: mlflow.MlflowClient().set_registered_model_alias('%s', '%s', '%s')",
                candidate.name, number, reign, candidate.scored_on, tags.get("scored_on"),
                candidate.name, CHAMPION, number,
            )  # fmt: skip
            return
        if same and candidate.score <= float(tags["score"]):
            log.info(
                "%s version %s: score %.4g; version %s stays champion with %s",
                candidate.name, number, candidate.score, reign, tags["score"],
            )  # fmt: skip
            return
    client.set_registered_model_alias(candidate.name, CHAMPION, number)
    log.info("%s version %s is the champion, with score %.4g", candidate.name, number, candidate.score)
