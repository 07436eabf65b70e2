from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagan.reporting.charts import HEIGHT, WIDTH, Line, Reference, line_chart, root


def draw(y, **options) -> ElementTree.Element:
    lines = [Line("adapted", "#0067a5", list(range(len(y))), y, "circle")]
    return ElementTree.fromstring(line_chart(lines, description="a chart", x_label="steps", **options))


def centres(svg: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(circle.get("cx")), float(circle.get("cy"))) for circle in svg.iter("circle")]


def test_points_stand_where_the_scale_says():
    heights = [y for _, y in centres(draw([0.0, 1.0, 4.0], y_scale="root", y_bounds=(0.0, 4.0)))]
    assert heights[1] == pytest.approx((heights[0] + heights[2]) / 2, abs=0.02)
    heights = [y for _, y in centres(draw([0.0, 1.0, 4.0], y_bounds=(0.0, 4.0)))]
    assert (heights[0] - heights[1]) / (heights[0] - heights[2]) == pytest.approx(0.25, abs=0.01)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=8), st.sampled_from(["linear", "root"]))
def test_everything_stays_inside_the_frame(y, scale):
    svg = draw(y, y_scale=scale, references=[Reference("real", "#000000", 0.5)])
    points = centres(svg)
    assert len(points) == sum(math.isfinite(value) for value in y)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    ordered = sorted((value, -height) for value, (_, height) in zip(filter(math.isfinite, y), points, strict=True))
    assert [height for _, height in ordered] == sorted(height for _, height in ordered)


def test_an_absent_number_leaves_a_gap():
    (path,) = draw([1.0, math.nan, 2.0, 3.0]).iter("path")
    assert path.get("d").count("M") == 2 and path.get("d").count("L") == 1


def test_values_outside_the_bounds_are_drawn_at_the_edge():
    (_, inside), (_, outside) = centres(draw([1.0, 7.0], y_bounds=(0.0, 1.0)))
    assert inside == outside


def test_names_of_close_references_do_not_overlap():
    references = [Reference("real", "#000000", 0.5), Reference("copycat", "#777777", 0.501)]
    svg = draw([0.0, 1.0], references=references)
    heights = [float(text.get("y")) for text in svg.iter("text") if text.text in ("real", "copycat")]
    assert abs(heights[0] - heights[1]) >= 12


def test_words_are_escaped():
    chart = line_chart([Line("<b>", "#000000", [0, 1], [0, 1], "square")], description='"<i>&', x_label="</svg>")
    svg = ElementTree.fromstring(chart)
    assert svg.get("aria-label") == '"<i>&'
    assert "</svg>" in [text.text for text in svg.iter("text")]
    assert next(svg.iter("title")).text == "<b>: 0"


def test_root_keeps_signs():
    assert [root(value) for value in (-4.0, 0.0, 9.0)] == [-2.0, 0.0, 3.0]
