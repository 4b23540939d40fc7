"""Inline SVG logos, read back with an XML parser and compared with the letters' geometry."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cisweep.errors import SequenceError
from cisweep.plot import logo_svg, logo_symbols
from cisweep.plot.letters import OUTLINES, stack_letters

SVG = "{http://www.w3.org/2000/svg}"


def read(svg: str):
    """Return the root, and (letter, x, y_top, y_bottom, width, turned) of each use, in pixels."""
    root = ET.fromstring(svg)
    found = []
    for use in root.iter(f"{SVG}use"):
        numbers = re.fullmatch(r"matrix\((.*)\)", use.get("transform"))[1].split()
        sx, b, c, sy, x, y = map(float, numbers)
        assert b == c == 0
        ends = sorted((y, y + 100 * sy))
        found.append((use.get("href").removeprefix("#cs-"), x, *ends, 100 * sx, sy < 0))
    return root, found


def test_letters_stand_where_the_geometry_says():
    heights = np.random.default_rng(0).normal(0, 1, (4, 20))
    root, found = read(logo_svg(heights, width_px=400, height_px=90, ylim=(-5, 5)))
    letters = stack_letters(heights)
    assert (root.get("width"), root.get("height")) == ("400", "90")
    assert len(found) == len(letters.index)
    for (letter, x, top, bottom, width, turned), *expected in zip(found, *letters):
        index, position, low, height, below = expected
        assert letter == "ACGT"[index]
        assert turned == below
        assert x == pytest.approx(position * 20)
        assert width == pytest.approx(20 * 0.95, rel=1e-3)
        assert bottom == pytest.approx((5 - low) * 9, abs=0.1)
        assert top == pytest.approx((5 - low - height) * 9, abs=0.1)


def test_outlines_fill_the_unit_square_and_are_shared():
    root = ET.fromstring(logo_svg(np.eye(4)))
    assert [p.get("id") for p in root.iter(f"{SVG}path")] == ["cs-A", "cs-C", "cs-G", "cs-T"]
    for path in root.iter(f"{SVG}path"):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.get("d"))]
        assert (min(numbers), max(numbers)) == (0, 100)
        assert path.get("d").count("M") == (2 if path.get("id") == "cs-A" else 1)
    for outline in OUTLINES.values():
        points = np.array([p for _, *ps in outline for p in ps])
        assert points.min(0).tolist() == [0, 0]
        assert points.max(0).tolist() == [1, 1]


def test_a_page_can_share_the_symbols():
    one = logo_svg(np.eye(4), symbols=False)
    assert "<defs>" not in one
    assert logo_symbols().count("<path") == 4
    assert "#123456" in logo_symbols({"A": "#123456", "C": "red", "G": "red", "T": "red"})


def test_a_motif_is_small():
    pwm = np.random.default_rng(0).dirichlet(np.ones(4), 12)
    assert len(logo_svg(pwm, symbols=False)) < 60 * 48 + 200


def test_both_orientations_title_and_axis():
    heights = np.random.default_rng(0).random((4, 9))
    assert logo_svg(heights) == logo_svg(heights.T)
    assert "<title>a &lt; b &amp; c</title>" in logo_svg(heights, title="a < b & c")
    assert 'stroke="#999"' not in logo_svg(heights)
    assert 'stroke="#999"' in logo_svg(heights - 0.5)


@pytest.mark.parametrize("empty", [np.zeros((4, 0)), np.zeros((4, 6))])
def test_nothing_to_draw_is_no_error(empty):
    assert read(logo_svg(empty))[1] == []


def test_errors_say_what_is_wrong():
    with pytest.raises(SequenceError, match=r"matrix has shape \(3, 5\)"):
        logo_svg(np.zeros((3, 5)))
    with pytest.raises(SequenceError, match="position 2: matrix is not finite"):
        logo_svg(np.array([[0, 0, np.inf, 0, 0]] * 4))
