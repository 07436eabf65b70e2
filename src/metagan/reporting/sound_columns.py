"""Columns of sounds to listen to, for domains whose examples are written as sound files: a class in each row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metagan.domains import Form, domain_of
from metagan.parameters import StoredExample
from metagan.parameters.evaluate import headline_step
from metagan.reporting.measures import TRAINED_ARMS

CLASSES = 6


def sound_columns(pictures: Mapping[str, np.ndarray], steps: list[int], example: StoredExample) -> dict[str, list[str]]:
    """The first sound of some classes as addresses that hold a file, by the headings of their columns; nothing where
    examples are no sounds.

    `pictures` as for `adaptation_picture`; trained arms are heard after the step that the headline is of.
    """
    form = domain_of(example).form
    if form is None or not form.media.startswith("audio/"):
        return {}
    at = steps.index(headline_step(steps))
    arms = {arm.label: pictures[arm.name][:, at] for arm in TRAINED_ARMS if arm.name in pictures}
    columns = {"support": pictures["support"], **arms, "real, unseen": pictures["real"]}
    return {
        heading: [_address(form, of_class[0]) for of_class in column[:CLASSES]] for heading, column in columns.items()
    }


def _address(form: Form, stored: np.ndarray) -> str:
    return f"data:{form.media.split(';')[0]};base64,{form.write(stored, 0)}"
