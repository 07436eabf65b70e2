"""A person's lines of one kind."""

from __future__ import annotations

from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Adapt
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.text_files import read_lines

FEWEST, MOST = 10, 500


def read_own_lines(settings: Adapt, bank: TaskBank) -> tuple[str, ...]:
    """The lines of `settings.text`, as `domains.spelling.spelled` gives them.

    Raises UserError for a bank of another domain, no file, one that is no text, and too few or too many lines.
    """
    if bank.example.domain != "text":
        raise UserError(f"adapt_text: reads lines, but the task bank of {bank.source} has {bank.example.domain}")
    if settings.text is None:
        raise UserError(
            "adapt.text: must name a text file, as in kedro run --env text --pipelines adapt_text --params "
            "adapt.text=FILE"
        )
    lines = read_lines(settings.text, FEWEST)
    if len(lines) > MOST:
        raise UserError(f"adapt.text: {shown(settings.text)} has {len(lines)} lines; {MOST} at most are taken")
    return lines
