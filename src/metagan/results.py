"""`make results`: write docs/results.md from docs/results/; with a name, first record what the last run measured."""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

from metagan.errors import UserError
from metagan.files import replaced
from metagan.parameters import RunSettings
from metagan.parameters.evaluate import headline_step
from metagan.reporting.generation import names_of
from metagan.reporting.one_shot_tables import one_shot_tables
from metagan.reporting.results_page import ResultFile, Table, differ, results_page
from metagan.reporting.rules_table import rules_table
from metagan.reporting.whole_training_table import whole_training_table
from metagan.settings import CONFIG_LOADER_ARGS

FOLDER, PAGE = Path("docs/results"), Path("docs/results.md")
METRICS = ("two_sample", "two_sample_binarised", "use", "fjd", "recognisability", "diversity", "memorisation", "haze")


def read(project: Path) -> dict[str, ResultFile]:
    """All result files by name; UserError for one that is no JSON."""
    files: dict[str, ResultFile] = {}
    for path in sorted((project / FOLDER).glob("*.json")):
        files[path.stem] = _content(path)
    return files


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error})") from error


def current_parameters(project: Path, environment: str) -> dict[str, Any]:
    """What `kedro run --env` would use, without conf/local, the command line, and where a mirror lies."""
    loader = OmegaConfigLoader(str(project / "conf"), env=environment, **CONFIG_LOADER_ARGS)
    parameters = loader["parameters"]
    for source in ("omniglot", "spoken_digits"):
        parameters["tasks"][source]["mirror"] = None
    return parameters


def outdated(project: Path) -> list[str]:
    """The names of result files whose parameters are no longer those of conf/, and which do not say so."""
    defaults = RunSettings().model_dump(mode="json")
    found = []
    for name, result in read(project).items():
        if not result.get("stale") and "parameters" in result:
            then = result["parameters"]
            if differ(then, _of_sections(current_parameters(project, result["environment"]), then), defaults):
                found.append(name)
    return found


def _of_sections(parameters: dict[str, Any], sections: Iterable[str]) -> dict[str, Any]:
    """Those of the named sections, as plain values."""
    return json.loads(json.dumps({name: parameters[name] for name in sections if name in parameters}, default=str))


def recorded(
    project: Path, environment: str, title: str, order: int, command: str, pipeline: str = "evaluate"
) -> ResultFile:
    """A result file of what a pipeline has left in data/08_reporting; UserError when it is not there."""
    made = MEASURED[pipeline]
    paths = [project / "data/08_reporting" / name for name in (*made.files, *made.pictures)]
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path} is not there: run {command} first")
    parameters = current_parameters(project, environment)
    return {
        "title": title,
        "order": order,
        "tables": made.tables(*(_content(path) for path in paths[: len(made.files)])),
        "pictures": list(made.pictures),
        "commands": [command],
        "commit": _git(project, "rev-parse", "--short", "HEAD"),
        "machine": f"{platform.machine()}, {_processor()}",
        "date": datetime.now(UTC).date().isoformat(),
        "environment": environment,
        "parameters": _of_sections(parameters, made.sections),
    }


def steps_table(generation: dict[str, Any]) -> Table:
    """A row for each metric and arm, a column for each number of steps."""
    steps, arms = generation["steps"], generation["arms"]
    rows: list[list[str | float | None]] = []
    for metric in METRICS:
        for arm, values in arms.items():
            if metric in values:
                numbers = values[metric] if isinstance(values[metric], list) else [values[metric]]
                rows.append([metric.replace("_", " "), arm.replace("_", "-"), *numbers])
                rows[-1] += [None] * (2 + len(steps) - len(rows[-1]))
    null = generation["two_sample_null"]
    about = (
        f"{generation['n_tasks']} {generation['split']} tasks of {generation['source']}, {generation['k_shot']} "
        f"support {names_of(generation).many}; after n adaptation steps (one value for arms that do not adapt). "
        f"Two-sample accuracy is 0.5 where nothing can be told, {null[0]:.2f} to {null[1]:.2f} by chance."
    )
    return {"about": about, "columns": ["metric", "arm", *map(str, steps)], "rows": rows}


def use_table(generation: dict[str, Any]) -> Table:
    """A row for each training set, a column for each K."""
    use, many = generation["use"], names_of(generation).many
    step = headline_step(generation["steps"])
    by_shots = list(use["by_shots"].values())
    names = list(by_shots[0])
    rows = [
        [name.replace("_", " "), *(f"{row[name]['mean']:.3f} ± {row[name]['ci95']:.3f}" for row in by_shots)]
        for name in names
    ]
    about = (
        f"Use: {use['n_way']}-way accuracy on real {many} of classifiers trained from scratch; {use['episodes']} "
        f"groups of classes; {use['samples_per_class']} samples, after {step} steps, where nothing else is said."
    )
    return {"about": about, "columns": ["trained on", *(f"K = {k}" for k in use["by_shots"])], "rows": rows}


@dataclass(frozen=True)
class Measured:
    """What a pipeline leaves in data/08_reporting: files for `tables`, made by `sections` of the parameters."""

    files: tuple[str, ...]
    tables: Callable[..., list[Table]]
    sections: tuple[str, ...]
    pictures: tuple[str, ...] = ()


MEASURED = {
    "evaluate": Measured(
        ("generation.json",),
        lambda generation: [steps_table(generation), use_table(generation)],
        ("tasks", "embedder", "meta_train", "evaluate"),
    ),
    "compare_rules": Measured(
        ("rules.json",), lambda rules: [rules_table(rules)], ("tasks", "embedder", "meta_train", "compare_rules")
    ),
    "train_with_rule": Measured(
        ("whole_training.json",),
        lambda whole: [whole_training_table(whole)],
        ("tasks", "embedder", "train_with_rule"),
    ),
    "one_shot": Measured(
        ("plane.json", "augmentation_protocol.json"),
        one_shot_tables,
        ("tasks", "embedder", "meta_train", "one_shot"),
        ("plane.png",),
    ),
}
"""By pipeline."""


def write_page(project: Path) -> None:
    """docs/results.md, whole or not at all."""
    with replaced(project / PAGE) as temporary:
        temporary.write_text(results_page(read(project)), encoding="utf-8")


def main(project: Path, arguments: list[str] | None = None) -> None:
    """Record the last run under a name if one is given, then write the page."""
    parser = argparse.ArgumentParser(prog="python -m metagan.results", description=__doc__)
    parser.add_argument("name", nargs="?", help="record data/08_reporting as docs/results/NAME.json")
    parser.add_argument("--environment", default="base", help="that the run had; base is the default one")
    parser.add_argument("--title", help="of its section")
    parser.add_argument("--order", type=int, default=50, help="of its section; lower comes first")
    parser.add_argument("--command", default="kedro run", help="that made it")
    parser.add_argument("--of", default="evaluate", choices=MEASURED, help="the pipeline whose results are recorded")
    given = parser.parse_args(arguments)
    if given.name:
        title = given.title or given.name
        result = recorded(project, given.environment, title, given.order, given.command, given.of)
        for picture in result["pictures"]:
            with replaced(project / "docs" / picture) as temporary:
                shutil.copyfile(project / "data/08_reporting" / picture, temporary)
        path = project / FOLDER / f"{given.name}.json"
        with replaced(path) as temporary:
            temporary.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(project)


def _git(project: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    """The name that the kernel has for the first core."""
    cores = Path("/proc/cpuinfo")
    lines = cores.read_text(encoding="utf-8").splitlines() if cores.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


if __name__ == "__main__":
    try:
        main(Path.cwd())
    except UserError as error:
        raise SystemExit(str(error)) from None
