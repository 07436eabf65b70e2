"""The trained models that inventors and their checks work with."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from metagan.identity import together
from metagan.invention.inventors.base import Studio, open_studio
from metagan.parameters import Invent
from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.training.embedder import load_embedder
from metagan.training.gan import Gan, load_gan
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel


@dataclass(frozen=True)
class InventionModels:
    """Both GANs, the embedder that checks, the one that is the classifier of `hardest`, and what all were made from."""

    bank: TaskBank
    gan: Gan
    joint: Gan
    objective: nn.Module
    judge: nn.Module
    made_from: dict[str, str]

    def studio(self, settings: Invent, classes: ClassIndices, seed: int) -> Studio:
        """See `open_studio`."""
        return open_studio(self.bank, self.gan, self.joint, self.judge, settings, seed, classes)


def invention_models(
    user: str,
    bank: TaskBank,
    meta_model: SavedModel[GanHeader],
    joint_gan: SavedModel[GanHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    judge_embedder: SavedModel[EmbedderHeader],
) -> InventionModels:
    """Loaded, once they are known to belong together. Raises UserError, with the pipeline `user`, when they do not."""
    origin = together(
        user,
        task_bank=bank.identity,
        meta_model=meta_model.identity("meta_model"),
        joint_gan=joint_gan.identity("joint_gan"),
        objective_embedder=objective_embedder.identity("objective_embedder"),
        judge_embedder=judge_embedder.identity("judge_embedder"),
    )
    return InventionModels(
        bank,
        load_gan(meta_model, "meta_model"),
        load_gan(joint_gan, "joint_gan"),
        load_embedder(objective_embedder, bank),
        load_embedder(judge_embedder, bank),
        origin,
    )
