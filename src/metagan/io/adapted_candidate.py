"""An adapted generator for the registry, by the name of what it was adapted to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metagan.domains import domain_of
from metagan.files import shown
from metagan.io.registry import Candidate
from metagan.training.saved import EmbedderHeader, GeneratorHeader, SavedModel

LONGEST_NAME = 100
"""Letters of a folder's or a file's name in the registry, which takes 255 bytes."""


def adapted_candidate(
    generator: SavedModel[GeneratorHeader],
    own: Path | None,
    given: int,
    samples: int,
    adaptation: Mapping[str, Any],
    evaluation_embedder: SavedModel[EmbedderHeader],
    facts: Mapping[str, object],
) -> Candidate:
    """The candidate of a generator that was adapted to the `given` examples of a person's `own` folder or file.

    Its score is how near its samples are to them: minus the energy distance of their features after the last step, as
    `adaptation`, the table of what was done, says it.
    """
    architecture = generator.header.architecture
    domain = domain_of(architecture)
    assert domain.form is not None
    name = _name(own)
    plain = re.sub(r"[^\w-]+", "-", name).strip("-").lower()[:LONGEST_NAME] or domain.names.own
    kind = "" if architecture.domain == "image" else f"-{architecture.domain}"
    return Candidate(
        name=f"metagan-{plain}{kind}-generator",
        model=generator,
        score=-adaptation["energy_distance"][-1],
        scored_on=f"minus the energy distance of {samples} samples to {given} {domain.names.own} "
        f"({adaptation['content_hash'][:8]}) by embedder {evaluation_embedder.content_hash[:8]}",
        about=f"A generator of {domain.names.many} like the {given} {domain.names.own} of {name}.",
        facts={
            "shape of an example": ", ".join(map(str, architecture.shape)),
            "a sample is": domain.form.media if domain.form.is_text else f"{domain.form.media}, in base64",
            "adaptation steps": adaptation["steps"],
            "adaptation seconds": generator.header.provenance.seconds,
            **facts,
            "seed": generator.header.provenance.seed,
            "parameters": generator.n_parameters,
        },
        newest_subject=True,
        limits=f"It has seen these {domain.names.own} only. A distance to the training above that of the val tasks "
        "means poor samples.",
    )


def _name(own: Path | None) -> str:
    """Of a folder, or of a file without its ending; nothing where it is not known."""
    if own is None:
        return ""
    return shown(own.stem if own.is_file() else own.resolve().name)
