"""Whole GAN trainings under a controller as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metagan.reporting.results_page import Table
from metagan.reporting.tables import ABSENT
from metagan.reporting.whole_training import summary_of


def whole_training_table(results: Mapping[str, Any]) -> Table:
    """A row for each setting and policy: means over seeds, ± half the range."""
    rows: list[list[str | float | None]] = []
    for row in summary_of(results["whole_training"]):
        shares = ", ".join(ABSENT if share is None else f"{share:.2f}" for share in row["shares"])
        middles = [f"{row[key]['mean']:.2f} ± {row[key]['half_range']:.2f}" for key in ("final", "over_level")]
        rescued, diverged = f"{row['rescued']} of {row['seeds']}", row["diverged"]
        rows.append([row["setting"], row["policy"], *middles, shares, rescued, diverged, f"{row['turns']:.2f}"])
    tuned, last = results["tuned"], results["steps"][-1]
    about = (
        f"Frechet distance after {last} steps, of trainings on test classes; means over seeds, ± half the range. The "
        f"fixed schedule is the best of {len(tuned['tried'])} on val classes: {tuned['schedule']}, rates "
        f"{tuned['rates'][0]:g} and {tuned['rates'][1]:g} (generator, discriminator). The level is what it has at the "
        f"end from the good setting with the same seed; the share is of {last} steps, a dash: not within them. Within "
        "a fifth of the level, and diverged: seeds. The last column is the discriminator's steps for one of the "
        f"generator. `untrained` is the controller before its training of {results['training_seconds'] / 60:.0f} min."
    )
    columns = ["setting", "policy", "distance", "over the level", "share to the level", "within", "diverged", "steps"]
    return {"about": about, "columns": columns, "rows": rows}
