"""The report."""

from __future__ import annotations

from metagan.parameters.section import Section, Text


class Report(Section):
    title: Text = "metagan"
