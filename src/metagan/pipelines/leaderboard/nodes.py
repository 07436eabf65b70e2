"""Nodes that compare finished runs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from metagan.parameters import Leaderboard
from metagan.reporting.leaderboard import leaderboard_page, rank_runs


def write_leaderboard(finished_runs: pd.DataFrame, leaderboard: dict[str, Any]) -> tuple[pd.DataFrame, str]:
    """The ranked runs as a table and as a page."""
    settings = Leaderboard.model_validate(leaderboard)
    board = rank_runs(finished_runs, settings.metric, settings.ui)
    return board, leaderboard_page(board, settings.metric)
