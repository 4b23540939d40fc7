"""Designs: which edits bring each window to its goal, and does another model agree?"""

import numpy as np
import pandas as pd
from markupsafe import Markup

from cisweep.plot.of_page import draw_changes, draw_edits
from cisweep.report.blocks import (
    Block,
    Column,
    Figure,
    Note,
    Section,
    Table,
    number,
    place,
    plural,
    signed,
)
from cisweep.report.figures import edit_map
from cisweep.report.points import Panel, Point, points_plot
from cisweep.report.view import View

SHOWN = 20
POINTS = 400
"""Designs in a plot of predictions before and after."""
_NOTE = (
    "Windows were edited until the oracles predict what is wanted; then edits were taken back "
    "one by one as long as the goals stay reached (pruned). A goal counts as reached within its "
    "tolerance. A judge took no part in the design: where it agrees, the edits say more than how "
    "to please one model."
)


def of_run(view: View) -> Section:
    """Return edits, predictions before and after beside the goals, and the cross-check."""
    table = view.table("design/designs.parquet")
    own = table[(table["method"] == "ledidi") & (table["fault"] == "")]
    designs = list(dict.fromkeys(own["design"]))
    goals = own[own["role"] == "goal"]
    reached = goals.groupby("design", sort=False)["reached"].all()
    edits = own.drop_duplicates("design")["n_edits_pruned"]
    section = Section([Note(_NOTE)])
    if not designs:
        section.blocks.append(Note("There is no design: see design/dropped.tsv."))
        return section
    section.headlines.append(
        f"{int(reached.sum())} of {plural(len(designs), 'design')} reach their goals, with "
        f"{number(edits.median())} edits in the median (of {number(own['n_edits'].median())} "
        "proposed)."
    )
    unusual = own[own["off_distribution"].astype(bool)]["design"].nunique()
    if unusual:
        verb = "has" if unusual == 1 else "have"
        text = (
            f"{plural(unusual, 'design')} of {len(designs):,} {verb} an unusual composition (GC or "
        )
        section.blocks.append(
            Note(text + "k-mers beyond those of usual regions): trust their predictions less.")
        )
    lines, panels = _lines(own, designs), _panels(view, own)
    section.blocks += [_edits(view, own, designs, lines), _parity(view, panels)]
    section.blocks.append(_goals(goals, designs))
    length = _length(own, designs)
    section.drawings = {
        "edits": lambda: draw_edits(lines, length),
        "predictions": lambda: draw_changes([_change(panel) for panel in panels]),
    }
    section.blocks += _others(own, designs) + _methods(table)
    for name, alt, caption, folded in _FIGURES:
        section.blocks.append(view.figure(f"design/figures/{name}.svg", alt, caption, folded))
    return section


_FIGURES = (
    (
        "logos", "Attribution logos of the first designs before, designed and pruned.",
        "Attributions of the first designs: before, designed, pruned; edits in colour.", False,
    ),
    (
        "goals", "Histograms of predictions before and after the design, with the goals.",
        "Predictions at the start, designed and pruned, in the target's unit; lines: goals.", True,
    ),
    (
        "hits", "Mean change of the hits of the motifs that the designs change most.",
        "Motifs whose hits the designs change most: mean change of the number of hits, beside "
        "decoys (the same matrices with shuffled columns).", False,
    ),
    (
        "kept", "Attributions of the edits that pruning kept and of those it took back.",
        "Attributions of the edits in the designed sequence: kept by pruning, and taken back.",
        True,
    ),
    (
        "pruning", "Prediction against the number of edits kept.",
        "Prediction against the number of edits kept; the dot is where pruning stopped.", True,
    ),
    (
        "loss", "Loss over the iterations of the first designs.",
        "Loss over the iterations: total, and its part for the edits.", True,
    ),
)  # fmt: skip


Lines = list[tuple[str, list[tuple[int, str, str]]]]
"""Of each design its title and edits: position in the window, old base, new base."""


def _length(own: pd.DataFrame, designs: list[str]) -> int:
    """Return the bases of the longest window."""
    before = own.drop_duplicates("design").set_index("design")["sequence_before"]
    return max(len(before[design]) for design in designs)


def _lines(own: pd.DataFrame, designs: list[str]) -> Lines:
    first = own.drop_duplicates("design").set_index("design")
    rows = []
    for design in designs[:SHOWN]:
        row = first.loc[design]
        before, after = row["sequence_before"], row["sequence_pruned"]
        found = [(i, a, b) for i, (a, b) in enumerate(zip(before, after)) if a != b]
        rows.append((f"{_title(row)} → {row['goal']}", found))
    return rows


def _edits(view: View, own: pd.DataFrame, designs: list[str], rows: Lines) -> Block:
    length = _length(own, designs)
    more = f" (the first {SHOWN} of {len(designs):,} designs)" if len(designs) > SHOWN else ""
    text = (
        f"Edits that are kept{more}: one line a design, the whole window of {length:,} bp; "
        "each letter is the new base. edits.vcf.gz has them in genome coordinates."
    )
    return Figure(Markup(edit_map(rows, length, label=text)), text, files=view.own_copies("edits"))


def _panels(view: View, own: pd.DataFrame) -> list[Panel]:
    """Return a plot of each target that has a goal or a judge: predictions before and after."""
    panels = []
    judged = own[own["role"].isin(["goal", "judge"])]
    for (role, model, target), rows in judged.groupby(["role", "model", "target"], sort=False):
        after = rows["after_pruned"].where(rows["after_pruned"].notna(), rows["after"])
        points = [
            Point(
                float(row["before"]), float(y), _told(row, y),
                place(row["chrom"], row["start"], row["end"]) if view.plan.is_genome else "",
                "sure" if role == "goal" and row["reached"] else "",
            )
            for (_, row), y in zip(rows.head(POINTS).iterrows(), after)
        ]  # fmt: skip
        wanted = sorted(set(rows.loc[rows["kind"] == "value", "wanted"].dropna()))
        level = wanted[0] if role == "goal" and len(wanted) == 1 else None
        title = f"{model} {target}" + (" (judge)" if role == "judge" else "")
        panels.append(Panel(title, "before", "pruned design", points, level, diagonal=True))
    return panels


def _change(panel: Panel) -> tuple[str, np.ndarray, np.ndarray, float | None]:
    x, y = (np.array([getattr(p, axis) for p in panel.points]) for axis in "xy")
    return panel.title, x, y, panel.level


def _parity(view: View, panels: list[Panel]) -> Figure:
    caption = (
        "Each dot is a design: the prediction of its window before and after the edits that are "
        "kept. On the diagonal nothing changes; the other line is the goal; red: goals reached. "
        "Point at a dot for its values, or move with Tab and the arrows; a click or Enter opens "
        "its window in the explorer."
    )
    return Figure(points_plot(panels), caption, files=view.own_copies("predictions"))


def _told(row: pd.Series, after: float) -> str:
    wanted = f", wanted {number(row['wanted'])}" if row["wanted"] == row["wanted"] else ""
    return (
        f"{_title(row)} → {row['goal']}: {number(row['before'])} before, {number(after)} pruned"
        f"{wanted}, {plural(int(row['n_edits_pruned']), 'edit')}"
    )


def _title(row: pd.Series) -> str:
    name = str(row["name"] or "")
    window = f"{row['chrom']}:{row['start']:,}"
    return window if name in ("", ".") else name


def _goals(goals: pd.DataFrame, designs: list[str]) -> Table:
    columns = [
        Column("design"), Column("goal"), Column("target"), Column("before", True),
        Column("wanted", True), Column("after", True, "all proposed edits"),
        Column("pruned", True, "the edits that are kept"), Column("reached"),
        Column("edits", True, "kept of proposed"), Column("gains hits of"), Column("loses hits of"),
    ]  # fmt: skip
    shown = goals[goals["design"].isin(designs[:SHOWN])]
    rows, seen = [], set()
    for _, r in shown.iterrows():
        hits = ["", ""] if r["design"] in seen else [r["hits_gained"], r["hits_lost"]]
        seen.add(r["design"])
        wanted = f"{r['kind']} {number(r['wanted'])}" if r["wanted"] == r["wanted"] else r["kind"]
        rows.append(
            [
                _title(r), r["goal"], f"{r['model']} {r['target']}", number(r["before"]), wanted,
                number(r["after"]), number(r["after_pruned"]), "yes" if r["reached"] else "no",
                f"{r['n_edits_pruned']} of {r['n_edits']}", *map(_few, hits),
            ]
        )  # fmt: skip
    more = f", first {SHOWN} designs" if len(designs) > SHOWN else ""
    return Table(f"Predictions before and after, beside the goals{more}", columns, rows)


def _few(hits: str, n: int = 6) -> Markup:
    """Return the names of the first n of hits such as `MA0139.2 CTCF, MA0080.7 Spi1`."""
    ids = [h.split() for h in str(hits or "").replace(";", ",").split(",") if h.strip()]
    names = list(dict.fromkeys(h[-1] for h in ids))
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return Markup("<small>{}</small>").format(", ".join(names[:n]) + more)


def _others(own: pd.DataFrame, designs: list[str]) -> list[Block]:
    others = own[own["role"].isin(["judge", "other"])]
    if not len(others):
        return []
    columns = [
        Column("role", meaning="judge: a model that took no part; other: a target without a goal"),
        Column("model"), Column("target"), Column("designs", True),
        Column("median before", True), Column("median pruned", True), Column("median change", True),
    ]  # fmt: skip
    rows = []
    for (role, model, target), part in others.groupby(["role", "model", "target"], sort=False):
        change = (part["after_pruned"] - part["before"]).median()
        rows.append(
            [
                role, model, target, f"{part['design'].nunique():,}",
                number(part["before"].median()), number(part["after_pruned"].median()),
                signed(change),
            ]
        )  # fmt: skip
    return [Table("Cross-check: what the edits do elsewhere", columns, rows)]


def _methods(table: pd.DataFrame) -> list[Block]:
    rows = table[(table["role"] == "goal") & (table["fault"] == "")]
    if rows["method"].nunique() < 2:
        return []
    columns = [
        Column("method"), Column("target"), Column("median before", True),
        Column("median after", True), Column("reached", meaning="of the designs"),
    ]  # fmt: skip
    cells = []
    for (method, model, target), part in rows.groupby(["method", "model", "target"], sort=False):
        after = np.where(part["after_pruned"].notna(), part["after_pruned"], part["after"])
        cells.append(
            [
                method.replace("_", " "), f"{model} {target}", number(part["before"].median()),
                number(np.nanmedian(after)),
                f"{int(part['reached'].fillna(False).astype(bool).sum())} of {len(part)}",
            ]
        )  # fmt: skip
    caption = "The method beside simpler ones with as many edits as the pruned design"
    return [Table(caption, columns, cells)]


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    return (
        "Sequences were designed by Ledidi's method (Schreiber et al. 2025): up to "
        f"{config.max_iter:,} steps of gradient descent on edits (λ {config.l:g}, "
        f"τ {config.tau:g}), "
        f"{'then greedy pruning of edits that are not needed' if config.prune else 'not pruned'}."
    )
