"""The table of all finished runs."""

from __future__ import annotations

from typing import Literal

from metagan.parameters.section import Section, Text

LowerIsBetter = Literal["two_sample", "fjd", "seconds"]
HigherIsBetter = Literal["use", "recognisability", "gap_closed", "natural_accuracy", "robust_accuracy"]
RankedBy = Literal[LowerIsBetter, HigherIsBetter]


class Leaderboard(Section):
    """The table of all finished runs: what ranks them, and where an MLflow server shows them."""

    metric: RankedBy = "two_sample"
    ui: Text = "http://127.0.0.1:5000"
