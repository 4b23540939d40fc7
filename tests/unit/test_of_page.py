"""The page's own figures as files: they show what the page shows."""

import numpy as np
import pandas as pd

from cisweep.plot.figure_data import figure_data
from cisweep.plot.of_page import (
    DrawnRegion,
    draw_changes,
    draw_edits,
    draw_histograms,
    draw_nothing,
    draw_regions,
)
from cisweep.plot.saving import save_figure


def test_a_histogram_counts_each_finite_prediction_of_its_target():
    values = {"ctcf": np.array([1.0, 1.0, 2.0, np.nan]), "pu1": np.array([5.0, -5.0])}
    ax = draw_histograms(values, {"ctcf": "logit", "pu1": "counts"}, {"ctcf": [1.5]})
    bars = figure_data(ax.figure).query("kind == 'bar' and y > 0")
    assert bars.groupby("panel")["y"].sum().to_dict() == {"1: ctcf": 3, "2: pu1": 2}
    low, high = bars[bars["panel"] == "1: ctcf"]["x"]
    assert abs(low - 1) < 0.02 and abs(high - 2) < 0.02
    assert [ax.get_xlabel() for ax in ax.figure.axes] == [
        "Prediction (logit)",
        "Prediction (counts)",
    ]
    assert ax.lines[0].get_xdata()[0] == 1.5 and not ax.figure.axes[1].lines


def test_a_region_has_its_track_in_the_genome_and_its_letters(tmp_path):
    logo = np.zeros((4, 2))
    logo[1, 0], logo[3, 1] = 2.0, -1.0  # C up, T down
    spans = pd.DataFrame({"motif_name": ["CTCF"], "start": [0], "end": [2]})
    regions = [
        DrawnRegion("chr1:101-104", 100, np.array([0, 2.0, -1.0, 0]), (1, 3), logo, spans),
        DrawnRegion("chr2:1-4", 0, np.zeros(4), (0, 2), np.zeros((4, 2)), spans.iloc[:0]),
    ]
    ax = draw_regions(regions, "logit")
    save_figure(ax, tmp_path / "regions.svg")
    table = pd.read_csv(tmp_path / "regions.data.tsv", sep="\t")
    track = table[(table["kind"] == "line") & (table["panel"] == "1: chr1:101-104")]
    # 1-based, as the page and genome browsers count.
    assert track[["x", "y"]].values.tolist()[:4] == [[101, 0], [102, 2], [103, -1], [104, 0]]
    letters = table[table["kind"] == "letter"]
    assert letters[["series", "x", "y"]].values.tolist() == [["C", 0, 2], ["T", 1, -1]]
    assert set(letters["panel"]) == {"2: from 102"}
    assert "CTCF" in [text.get_text() for text in ax.figure.axes[1].texts]


def test_edits_are_the_new_bases_at_their_places():
    rows = [("first", [(4, "A", "C"), (9, "G", "T")]), ("second", [(0, "T", "C")])]
    table = figure_data(draw_edits(rows, 20).figure)
    points = table[table["kind"] == "point"]
    found = set(points[["series", "x", "y", "name"]].itertuples(index=False, name=None))
    assert found == {("C", 5, 0, "first"), ("T", 10, 0, "first"), ("C", 1, 1, "second")}
    assert draw_edits([("none", [])], 20) is not None


def test_changes_are_points_before_and_after():
    panels = [("m ctcf", np.array([1.0, 2.0]), np.array([5.0, np.nan]), 5.0)]
    table = figure_data(draw_changes(panels).figure)
    points = table[table["kind"] == "point"]
    assert points[["x", "y"]].values.tolist() == [[1, 5]]  # the other has no prediction after
    empty = draw_changes([("m pu1", np.empty(0), np.empty(0), None)])
    assert len(figure_data(empty.figure)) == 0


def test_a_figure_of_nothing_says_so(tmp_path):
    ax = draw_nothing("nothing here")
    save_figure(ax, tmp_path / "none.svg")
    assert ax.texts[0].get_text() == "nothing here" and (tmp_path / "none.data.tsv").exists()
