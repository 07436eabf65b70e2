from __future__ import annotations

from kedro.pipeline import Pipeline, node

from metagan.lock import WRITES_LEADERBOARD
from metagan.pipelines.leaderboard.nodes import write_leaderboard


def create_pipeline() -> Pipeline:
    """The finished runs of the tracking database -> a table and a page, the best first."""
    return Pipeline(
        [
            node(
                write_leaderboard,
                ["finished_runs", "params:leaderboard"],
                ["leaderboard", "leaderboard_page"],
                name="write_leaderboard",
                tags=WRITES_LEADERBOARD,
            )
        ]
    )
