"""`python -m metagan` and `metagan`: what `kedro run` does, in the project of the current folder."""

from __future__ import annotations

import sys

from kedro.framework.cli.cli import main as kedro


def main() -> None:
    """Run Kedro's `run` command with the given options."""
    sys.argv[1:1] = ["run"]
    kedro()


if __name__ == "__main__":
    main()
