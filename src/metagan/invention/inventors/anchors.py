"""Anchors in the noise of an ordinary GAN (LASIUM, Khodadadeh et al. 2021, arXiv 2006.10236, section 3.1)."""

from __future__ import annotations

import numpy as np

from metagan.invention.inventors.base import Draft, Studio
from metagan.parameters import Invent


def anchors(studio: Studio, settings: Invent, count: int, generator: np.random.Generator) -> list[Draft]:
    """Anchors are far apart in the noise of the joint GAN, which knows no classes; members lie around theirs."""
    wanted, learner = settings.anchors, studio.joint.learner()
    drafts = []
    for _ in range(count):
        noise = wanted.between * studio.noise(1, generator) + wanted.within * studio.noise(studio.shots, generator)
        way = f"noise within {wanted.within:g} of an anchor"
        drafts.append(Draft(learner.generate(studio.joint.networks, noise), (), (), way))
    return drafts
