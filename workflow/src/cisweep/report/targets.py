"""What separates the targets of a model that has many: heat maps, and a table that leads to the
page of each. What they show comes from the sections of the steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from markupsafe import Markup

from cisweep.plan.page import target_page
from cisweep.report.blocks import Column, Note, Section, Table, plural
from cisweep.report.sections import hook_of
from cisweep.report.view import View

CELL, NAMED = 12, 60
"""Pixels of a cell; columns up to which each has its name."""
_NOTE = (
    "{targets}. What the steps say of one of them stands on its own page: follow its name in the "
    "table below, which has fields to search it. The heat maps show {most} of them at the most."
)
MOST_TARGETS = 100
"""Targets of a heat map."""


@dataclass(frozen=True)
class HeatMap:
    """values: (R, C) between -1 and 1, NaN for none; told: (R, C) what a cell says."""

    values: np.ndarray
    rows: list[str]
    columns: list[str]
    told: list[list[str]]


def targets_section(views: Sequence[View]) -> Section:
    """Return the part of the page of a model with many targets that stands before all others.

    views: of the model's steps.
    """
    n = plural(len(views[0].targets), "target")
    section = Section([Note(_NOTE.format(targets=n, most=MOST_TARGETS))])
    for view in views:
        if across := hook_of(view, "across"):
            section.blocks += across(view)
    section.blocks.append(_table(views))
    return section


def _table(views: Sequence[View]) -> Table:
    """Return a row a target, with the link to its page."""
    first, found = views[0], []
    # Peaks before what is found in them.
    for view in sorted(views, key=lambda view: view.step.order):
        if told := hook_of(view, "target_columns"):
            found += told(view)
    columns = [Column("target"), Column("group"), *(column for column, _ in found)]
    rows: list[list[Any]] = [
        [_link(first, t.name), t.group or "", *(cells.get(t.name, "–") for _, cells in found)]
        for t in first.targets
    ]
    return Table("Targets", columns, rows, file=f"{first.model}.targets.tsv")


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
