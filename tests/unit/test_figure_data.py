"""The copies of a figure, and the numbers that it shows."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cisweep.contracts import FIGURE_COPIES
from cisweep.plot.effects import plot_volcano
from cisweep.plot.figure_data import COLUMNS, figure_data
from cisweep.plot.logo import plot_logo
from cisweep.plot.mutagenesis import plot_mutagenesis
from cisweep.plot.saving import save_figure


def rows(figure: Figure, kind: str) -> list[tuple]:
    table = figure_data(figure)
    assert table.columns.tolist() == COLUMNS
    mine = table[table["kind"] == kind].drop(columns="kind")
    return list(mine.itertuples(index=False, name=None))


def test_an_svg_has_its_copies_and_data_with_the_same_bytes_each_time(tmp_path):
    made = []
    for name in ("a", "b"):
        ax = plot_volcano(np.array([1.0, -3.0]), np.array([2.0, 0.5]), ["x", "y"])
        path = tmp_path / f"{name}.t.svg"
        save_figure(ax, path)
        made.append([path.with_suffix(end).read_bytes() for end in (".svg", *FIGURE_COPIES)])
    assert made[0] == made[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"{name}.t.{end}" for name in "ab" for end in ("data.tsv", "pdf", "png", "svg")
    ]
    svg, png, pdf, _ = made[0]
    assert b"<svg" in svg and png.startswith(b"\x89PNG") and pdf.startswith(b"%PDF")
    table = pd.read_csv(tmp_path / "a.t.data.tsv", sep="\t")
    assert table[["kind", "x", "y"]].values.tolist() == [["point", 1, 2], ["point", -3, 0.5]]
    save_figure(ax, tmp_path / "alone.png")
    assert not (tmp_path / "alone.pdf").exists()


def test_lines_bars_and_colours_are_told_and_guides_are_not():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.plot([1, 2], [3, 4], label="loss")
    left.axhline(7)
    left.axvline(1)
    left.set_title("curve")
    right.hist([0.5, 0.5, 1.5], bins=[0, 1, 2], label="before")
    right.axvspan(0, 1)
    right.scatter([9, 8], [7, 6], c=[0.1, 0.2])
    right.set_xlabel("x")
    lines = [row[:4] for row in rows(figure, "line")]
    assert lines == [("1: curve", "loss", 1, 3), ("1: curve", "loss", 2, 4)]
    bars = [row[:5] for row in rows(figure, "bar")]
    assert bars == [("2: x", "before", 0.5, 2, 1), ("2: x", "before", 1.5, 1, 1)]
    assert [r[2:5] for r in rows(figure, "point")] == [(9, 7, 0.1), (8, 6, 0.2)]


def test_the_letters_of_a_logo_and_the_cells_of_a_heat_map():
    figure = Figure()
    above, below = figure.subplots(2, 1)
    values = np.zeros((4, 6))
    values[2, 3], values[0, 5] = 1.5, -0.5
    plot_logo(values, ax=above, start=2)
    image = plot_mutagenesis(np.arange(8.0).reshape(4, 2), ax=below)
    figure.colorbar(image, ax=below)
    letters = [r[1:4] for r in rows(figure, "letter")]
    assert letters == [("A", 5, -0.5), ("G", 3, 1.5)]
    cells = {(x, y): v for _, _, x, y, v, _ in rows(figure, "cell")}
    assert cells == {(c, r): 2 * r + c for r in range(4) for c in range(2)}
    assert [row[5] for row in rows(figure, "cell")] == [b for b in "ACGT" for _ in range(2)]
    # The bar of colours is no data.
    assert {r for r in figure_data(figure)["kind"]} == {"letter", "cell"}


def test_bars_and_points_have_the_names_of_their_ticks():
    figure = Figure()
    ax = figure.subplots()
    ax.barh([1, 0], [5, -6], height=0.5, label="motif")
    ax.plot([2, 3], [1, 0], "D")
    ax.set_yticks([1, 0], ["CTCF", "SPIB"])
    assert [row[1:] for row in rows(figure, "bar")] == [
        ("motif", 5, 1, 0.5, "CTCF"), ("motif", -6, 0, 0.5, "SPIB"),
    ]  # fmt: skip
    assert [row[5] for row in rows(figure, "line")] == ["CTCF", "SPIB"]


def test_a_point_at_the_origin_is_a_point_and_none_is_nothing():
    ax = Figure().subplots()
    ax.scatter([0], [0], label="one")
    ax.scatter([], [])
    assert figure_data(ax.figure)[["series", "kind", "x", "y"]].values.tolist() == [
        ["one", "point", 0, 0]
    ]
