"""The published one-shot protocols on Omniglot as tables, beside what is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metagan.reporting.plane import PUBLISHED, name_of, published_relative
from metagan.reporting.results_page import Table

PUBLISHED_ACCURACIES = {
    "none": (66, 82, 83),
    "traditional": (67, 82, 84),
    "FIGR": (69, 83, 85),
    "DAGAN": (89, 89, 95),
    "F2GAN": (92, 92, 97),
}
"""In percent with 5, 10 and 15 real images of a class, as F2GAN (arXiv 2008.01999) has them."""
ARMS = {
    "none": "real images alone",
    "traditional": "the same, jittered",
    "samples": "with samples",
    "traditional_samples": "with samples, jittered",
    "gain": "what samples add to jitter",
}


def one_shot_tables(plane: Mapping[str, Any], protocol: Mapping[str, Any]) -> list[Table]:
    """The plane, and the augmentation protocol."""
    return [plane_table(plane), augmentation_table(protocol)]


def plane_table(plane: Mapping[str, Any]) -> Table:
    """A row for each point, with both coordinates as measured and in units of people's."""
    rows: list[list[str | float | None]] = []
    for arm, point in plane["points"].items():
        measured = [_estimate(point["diversity"], 3), _estimate(point["recognisability"], 1)]
        relative = [f"{point['relative'][name]:.3f}" for name in ("diversity", "recognisability", "distance")]
        rows.append([name_of(arm), *measured, *relative])
    for name, (x, y) in published_relative().items():
        distance = ((x - 1) ** 2 + (y - 1) ** 2) ** 0.5
        published = [f"{value:g}" for value in PUBLISHED[name]]
        rows.append([f"{name} (published)", *published, f"{x:.3f}", f"{y:.3f}", f"{distance:.3f}"])
    about = (
        f"{plane['classes']} test characters, the first three of their alphabets, after {plane['step']} steps; "
        f"{plane['n_way']}-way 1-shot recognisability in percent over {plane['tests']} tests a class, and diversity as "
        "the mean standard deviation of contrastive features, by critics of this project on drawings of "
        f"{plane['image_size']} pixels. The published coordinates are by other critics: compare in units of people's, "
        "in the last three columns, the last of which is the distance to people there."
    )
    units = ["of people's diversity", "of people's recognisability", "distance"]
    return {"about": about, "columns": ["", "diversity", "recognisability", *units], "rows": rows}


def augmentation_table(protocol: Mapping[str, Any]) -> Table:
    """A row for each training set, a column for each number of real images."""
    numbers = protocol["real_images"]
    rows: list[list[str | float | None]] = [
        [name, *(_estimate(row[arm], 1) for row in numbers.values())] for arm, name in ARMS.items()
    ]
    if list(numbers) == ["5", "10", "15"]:
        rows += [[f"{name} (published)", *map(str, values)] for name, values in PUBLISHED_ACCURACIES.items()]
    about = (
        f"Augmentation: accuracy in percent of classifiers trained from scratch on so many real images of each of "
        f"{protocol['n_way']} classes, tested on the other drawings; {protocol['class_splits']} draws of classes out "
        f"of {protocol['test_classes']}, which may overlap; {protocol['samples_per_class']} samples of a class. The "
        "published numbers are of more classes, other networks, and splits that may leak."
    )
    return {"about": about, "columns": ["trained on", *(f"{number} images" for number in numbers)], "rows": rows}


def _estimate(estimate: Mapping[str, float], places: int) -> str:
    return f"{estimate['mean']:.{places}f} ± {estimate['ci95']:.{places}f}"
