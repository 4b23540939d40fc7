"""What separates the targets of a model that has many: heat maps, and a table that leads to the
page of each."""

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from cisweep.contracts import stored_name
from cisweep.outputs.h5 import TABLE_VERSION, n_rows, open_rows
from cisweep.plan.page import target_page
from cisweep.plot.motif_clusters import leaf_order
from cisweep.report.blocks import (
    Cell,
    Column,
    Figure,
    Note,
    Section,
    Table,
    number,
    plural,
    signed,
)
from cisweep.report.sections.hits import family_name
from cisweep.report.sections.select import read_peaks
from cisweep.report.view import View

MOST_TARGETS = 100
"""Targets of a heat map; of more, those that most families drive."""
MOST_FAMILIES = 40
MOST_WINDOWS = 20_000
"""Windows over which predictions are correlated: of more, every second, third, …"""
CELL, NAMED = 12, 60
"""Pixels of a cell; columns up to which each has its name."""


@dataclass(frozen=True)
class HeatMap:
    """values: (R, C) between -1 and 1, NaN for none; told: (R, C) what a cell says."""

    values: np.ndarray
    rows: list[str]
    columns: list[str]
    told: list[list[str]]


def targets_section(view: View) -> Section:
    """Return the part of the page of a model with many targets that stands before all others.

    view: any of the model's.
    """
    families = _families(view)
    shown = _shown(view, families)
    section = Section([Note(_note(view, len(shown)))])
    if len(families):
        section.blocks.append(_motif_map(families, shown))
    if view.plan.is_on("predict"):
        section.blocks += _correlations(view, shown)
    section.blocks.append(_table(view, families))
    return section


def _note(view: View, n_shown: int) -> str:
    text = (
        f"{plural(len(view.targets), 'target')}. What the steps say of one of them stands on its "
        "own page: follow its name in the table below, which has fields to search it."
    )
    if n_shown < len(view.targets):
        text += f" The heat maps show the {n_shown} that most families of motifs drive."
    return text


def _families(view: View) -> pd.DataFrame:
    """Return the families of motifs that drive or lower a target, all targets together."""
    if not (view.plan.is_on("hits") and view.has("motif_families.tsv")):
        return pd.DataFrame()
    table = view.table("motif_families.tsv")
    if "drives" not in table:
        return pd.DataFrame()
    return table[table["drives"].astype(bool) | table["lowers"].astype(bool)]


def _shown(view: View, families: pd.DataFrame) -> list[str]:
    """Return the targets of the heat maps, in the model's order."""
    names = [target.name for target in view.targets]
    if len(names) <= MOST_TARGETS:
        return names
    n = families["target"].value_counts() if len(families) else {}
    first = sorted(names, key=lambda name: -n.get(name, 0))[:MOST_TARGETS]
    return [name for name in names if name in set(first)]


def _motif_map(families: pd.DataFrame, shown: list[str]) -> Figure:
    """Return who is driven by what: families (rows) and targets."""
    most = families["explained"].abs().groupby(families["target"]).max()
    rows = families["family"].value_counts().head(MOST_FAMILIES).index.tolist()
    row_of = {family: i for i, family in enumerate(rows)}
    column_of = {target: i for i, target in enumerate(shown)}
    values = np.zeros((len(rows), len(shown)))
    told = [[""] * len(shown) for _ in rows]
    for each in families.itertuples():
        if each.family in row_of and each.target in column_of:
            at = row_of[each.family], column_of[each.target]
            values[at] = each.explained / (most[each.target] or 1.0)
            told[at[0]][at[1]] = (
                f"{each.family}, {each.target}: {plural(int(each.n_places), 'place')}, explained "
                f"{signed(each.explained)}, mean {signed(each.mean)}"
            )
    down, along = leaf_order(values), leaf_order(values.T)
    drawn = HeatMap(
        values[down][:, along],
        [rows[i] for i in down],
        [shown[i] for i in along],
        [[told[i][j] for j in along] for i in down],
    )
    n = families["family"].nunique()
    some = f"the {len(rows)} of {n} that most targets share" if n > len(rows) else str(n)
    caption = (
        f"Families of motifs ({some}) that drive (red) or lower (blue) a target, by what their "
        "places explain as a share of the target's first family. Alike ones stand side by side; "
        "point at a cell for its values."
    )
    return Figure(Markup(heat_map(drawn, "Families of motifs and targets")), caption)


def _correlations(view: View, shown: list[str]) -> list[Figure]:
    """Return how alike the predictions of targets are."""
    with open_rows(view.folder / "predictions.h5", TABLE_VERSION) as file:
        step = max(1, -(-n_rows(file) // MOST_WINDOWS))
        values = np.stack([file[f"predictions/{stored_name(t)}"][::step] for t in shown])
    values = values[:, np.isfinite(values).all(axis=0)].astype(np.float64)
    if values.shape[1] < 3:
        return []
    spread = values.std(axis=1, keepdims=True)
    scaled = np.divide(values - values.mean(axis=1, keepdims=True), spread, where=spread > 0,
                       out=np.zeros_like(values))  # fmt: skip
    found = np.clip(scaled @ scaled.T / values.shape[1], -1, 1)
    order = leaf_order(found)
    names = [shown[i] for i in order]
    found = found[order][:, order]
    told = [
        [f"{a}, {b}: r = {number(found[i, j], 2)}" for j, b in enumerate(names)]
        for i, a in enumerate(names)
    ]
    drawing = heat_map(HeatMap(found, names, names, told), "Correlations of predictions")
    caption = (
        f"How alike the targets are: Pearson's r of their predictions over {values.shape[1]:,} "
        "windows (red 1, white 0, blue −1)."
    )
    return [Figure(Markup(drawing), caption)]


def _table(view: View, families: pd.DataFrame) -> Table:
    """Return a row a target, with the link to its page."""
    peaks = read_peaks(view)
    columns = [Column("target"), Column("group")]
    if peaks is not None:
        columns += [Column("peaks", True), Column("by chance", True, "share of the peaks")]
    if len(families):
        columns += [
            Column("first family", meaning="the family of motifs that drives it most"),
            Column("mean", True, "attribution of a place, in the target's unit"),
            Column("q", True, "against copies with shuffled columns"),
            Column("families", True, "that drive it"),
        ]
    drivers = families[families["drives"].astype(bool)] if len(families) else families
    of = dict(tuple(drivers.groupby("target", sort=False))) if len(drivers) else {}
    rows = []
    for target in view.targets:
        row: list[Any] = [_link(view, target.name), target.group or ""]
        if peaks is not None:
            here = peaks.summary.loc[target.name] if target.name in peaks.summary.index else None
            n = 0 if here is None else int(here["n_selected"])
            row += [Cell(f"{n:,}", n), "–" if here is None else number(here["fdr"], 2)]
        if len(families):
            mine = of.get(target.name)
            row += ["none", "", "", "0"] if mine is None else [
                family_name(mine.iloc[0]),
                Cell(signed(mine.iloc[0]["mean"]), mine.iloc[0]["mean"]),
                Cell(number(mine.iloc[0]["q_value"], 2), mine.iloc[0]["q_value"]),
                Cell(f"{len(mine):,}", len(mine)),
            ]  # fmt: skip
        rows.append(row)
    return Table("Targets", columns, rows, file=f"{view.model}.targets.tsv")


def _link(view: View, target: str) -> Markup:
    path = target_page(view.model or "", view.file_name(target))
    return Markup('<a href="{}">{}</a>').format(path, target)


def heat_map(drawn: HeatMap, label: str) -> str:
    """Return an SVG of a matrix between -1 (blue) and 1 (red), with what each cell says."""
    n, m = drawn.values.shape
    left = 8 + 6.2 * max((len(name[:32]) for name in drawn.rows), default=0)
    named = m <= NAMED
    top = 8 + 5.2 * max((len(name[:32]) for name in drawn.columns), default=0) if named else 6
    cells = "".join(
        f'<rect x="{left + j * CELL:.0f}" y="{top + i * CELL:.0f}" width="{CELL - 1}" '
        f'height="{CELL - 1}" fill="{_colour(drawn.values[i, j])}"><title>'
        f"{escape(drawn.told[i][j])}</title></rect>"
        for i in range(n)
        for j in range(m)
        if abs(drawn.values[i, j]) >= 0.005
    )
    names = "".join(
        f'<text x="{left - 5:.0f}" y="{top + i * CELL + 9:.0f}" text-anchor="end">'
        f"{escape(name[:32])}</text>"
        for i, name in enumerate(drawn.rows)
    )
    if named:
        names += "".join(
            f'<text transform="translate({left + j * CELL + 9:.0f},{top - 4:.0f}) rotate(-60)">'
            f"{escape(name[:32])}</text>"
            for j, name in enumerate(drawn.columns)
        )
    width, height = left + m * CELL + (top if named else 6), top + n * CELL + 6
    frame = (
        f'<rect x="{left - 1:.0f}" y="{top - 1:.0f}" width="{m * CELL + 1}" '
        f'height="{n * CELL + 1}" fill="#fff" stroke="#d9e0e6"/>'
    )
    return (
        f'<svg class="map" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{frame}{cells}{names}</svg>'
    )


def _colour(value: float) -> str:
    """Return white for 0, red for 1, blue for -1."""
    end = (178, 24, 43) if value > 0 else (33, 102, 172)
    share = min(abs(value), 1.0)
    return "#" + "".join(f"{round(255 + (c - 255) * share):02x}" for c in end)
