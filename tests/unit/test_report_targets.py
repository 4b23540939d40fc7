"""Heat maps of the page of a model with many targets."""

import re

import numpy as np
import pandas as pd

from cisweep.report.blocks import Note, Section
from cisweep.report.sections.hits import MOST_FAMILIES, motif_map
from cisweep.report.targets import HeatMap, heat_map


def cells(svg: str) -> dict[str, str]:
    """Return what a cell says -> its colour."""
    found = re.findall(r'fill="(#\w+)"><title>(.*?)</title>', svg)
    return {said: colour for colour, said in found}


def test_a_heat_map_has_a_cell_for_each_value():
    values = np.array([[1.0, 0.0, -1.0], [0.5, np.nan, 0.001]])
    told = [["a", "b", "c"], ["d", "e", "f"]]
    svg = heat_map(HeatMap(values, ["row <1>", "two"], ["x", "y", "z"], told), "what")
    found = cells(svg)
    # Nothing is drawn of 0, of a missing value, and of what would be white.
    assert set(found) == {"a", "c", "d"}
    assert found["a"] == "#b2182b" and found["c"] == "#2166ac"
    # Half way to white.
    assert found["d"] == "#" + "".join(f"{round(255 + (c - 255) / 2):02x}" for c in (178, 24, 43))
    assert "row &lt;1&gt;" in svg and 'aria-label="what"' in svg


def families(n: int) -> pd.DataFrame:
    """n families, of which the i-th drives i + 1 targets; the first target is lowered by one."""
    of = {"n_places": 5, "mean": 1.0}
    rows = [
        {"target": f"t{j}", "family": f"F{i}", "explained": float(i + 1), **of}
        for i in range(n)
        for j in range(i + 1)
    ]
    low = {"target": "t0", "family": "LOW", "n_places": 3, "explained": -1.0, "mean": -0.3}
    return pd.DataFrame([*rows, low])


def test_the_map_of_motifs_shows_who_is_driven_by_what():
    figure = motif_map(families(4), [f"t{i}" for i in range(4)])
    found = cells(str(figure.drawing))
    assert len(found) == 1 + 2 + 3 + 4 + 1
    # Of each target the family that explains most has the full colour.
    first = "F3, t2: 5 places, explained +4, mean +1"
    assert found[first] == "#b2182b"
    low = next(colour for said, colour in found.items() if said.startswith("LOW, t0"))
    assert low != "#2166ac" and int(low[1:3], 16) < int(low[5:7], 16)
    assert "(5)" in figure.caption


def test_of_many_families_those_are_shown_that_most_targets_share():
    n = MOST_FAMILIES + 5
    figure = motif_map(families(n), [f"t{i}" for i in range(n)])
    shown = {said.split(",")[0] for said in cells(str(figure.drawing))}
    assert shown == {f"F{i}" for i in range(5, n)}
    assert f"the {MOST_FAMILIES} of {n + 1} that most targets share" in figure.caption


def test_blocks_about_a_target_stand_in_their_place_or_apart():
    section = Section([Note("first")])
    section.add("a", [Note("of a")])
    section.blocks.append(Note("middle"))
    section.add("b", [Note("of b")])
    assert [b.text for b in section.of_all(False)] == ["first", "of a", "middle", "of b"]
    assert [b.text for b in section.of_all(True)] == ["first", "middle"]
    assert [b.text for b in section.of_target("b")] == ["of b"]
