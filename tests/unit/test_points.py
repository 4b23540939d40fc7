"""Plots of points: where they stand, what they say, where they lead."""

import re
from xml.etree import ElementTree

import pytest

from cisweep.report.points import Panel, Point, points_plot


def svg(panel: Panel) -> ElementTree.Element:
    return ElementTree.fromstring(re.search("<svg.*</svg>", str(points_plot([panel])))[0])


def places(drawn: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(c.get("cx")), float(c.get("cy"))) for c in drawn.iter("circle")]


def test_points_stand_in_proportion_and_lead_to_their_places():
    points = [Point(0, 0, "zero"), Point(10, 1, "a > b", "chr1:5-9", "sure"), Point(5, 0.5, "half")]
    drawn = svg(Panel("t", "x", "y", [*points, Point(float("nan"), 0, "none")]))
    (x0, y0), (x1, y1), (x2, y2) = places(drawn)
    assert x0 < x1 and y0 > y1  # upwards is larger
    assert (x2, y2) == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2), abs=0.06)
    (link,) = drawn.iter("a")
    assert link.get("href") == "#chr1:5-9" and link.get("aria-label") == "a > b"
    assert link.get("class") == "point sure" and link.find("circle/title").text == "a > b"
    assert [g.get("aria-label") for g in drawn.iter("g")] == ["zero", "half"]
    assert drawn.get("aria-label") == "t: y against x, 3 points"


def test_a_diagonal_and_a_level_are_on_the_scale_of_the_points():
    panel = Panel("t", "x", "y", [Point(2, 2, "same"), Point(2, 9, "more")], 20, diagonal=True)
    drawn = svg(panel)
    (x, y), (_, above) = places(drawn)
    diagonal, level = ([float(g.get(k)) for k in ("x1", "y1", "x2", "y2")]
                       for g in drawn.iter("line"))  # fmt: skip
    share = (x - diagonal[0]) / (diagonal[2] - diagonal[0])
    # Both axes have one scale, so the point with x = y lies on the line.
    assert y == pytest.approx(diagonal[1] + share * (diagonal[3] - diagonal[1]), abs=0.2)
    assert level[1] == level[3] < above


def test_names_hide_neither_points_nor_each_other():
    crowd = [Point(i / 40, 5 + i % 3 / 40, "", name="a name") for i in range(60)]
    alone = [Point(3, 0, "", name="alone"), Point(3, 1, "", name="alone too")]
    drawn = svg(Panel("t", "x", "y", [*alone, *crowd]))
    names = [t for t in drawn.iter("text") if t.get("class") == "name"]
    assert {"alone", "alone too"} <= {t.text for t in names} and len(names) < 6
    boxes = []
    for t in names:
        left, middle = float(t.get("x")), float(t.get("y")) - 3.5
        assert left + 5.6 * len(t.text) <= 460
        boxes.append((left, middle - 5, left + 5.6 * len(t.text), middle + 5))
    for i, (a, b, c, d) in enumerate(boxes):
        assert not any(a < x < c and b < y < d for x, y in places(drawn))
        assert not any(a < e[2] and e[0] < c and b < e[3] and e[1] < d for e in boxes[:i])


def test_a_panel_without_values_says_so():
    assert "t: no values" in points_plot([Panel("t", "x", "y", [])])


def test_text_is_no_html():
    drawn = str(points_plot([Panel("<t>", "<x>", "<y>", [Point(1, 1, "<b>", '"><b', name="<n>")])]))
    assert "<b>" not in drawn and "<t>" not in drawn and "<n>" not in drawn and "<x>" not in drawn
