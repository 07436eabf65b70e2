"""From plain results to what a person reads: pictures, charts and one self-contained HTML report."""

from metagan.reporting.figures import adaptation_picture, sample_grid
from metagan.reporting.report import build_report

__all__ = ["adaptation_picture", "build_report", "sample_grid"]
