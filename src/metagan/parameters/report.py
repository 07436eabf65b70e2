"""The report."""

from __future__ import annotations

from metagan.parameters.section import Section


class Report(Section):
    title: str = "metagan"
