"""Tables of effects with intervals, which several experiments share."""

import numpy as np
import pandas as pd
from markupsafe import Markup

from cisweep.report.blocks import Column, Table, signed
from cisweep.report.figures import interval
from cisweep.report.view import View

SHOWN = 12


def strongest(table: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the n rows of one target with the largest |effect| in the order of their effect."""
    size = table["effect"].abs().sort_values(ascending=False, kind="stable").index[:n]
    return table.loc[size].sort_values("effect", ascending=False, kind="stable")


def effects_table(view: View, rows: pd.DataFrame, target: str, caption: str, each: str) -> Table:
    """Return the motifs with their effects, drawn with the 95 % confidence interval.

    rows: columns motif, name, n, effect, ci_low, ci_high; each: what n counts.
    """
    ends = rows[["effect", "ci_low", "ci_high"]].to_numpy(float)
    # An interval of two or three examples may be wide beyond use; effects set the scale.
    reach = 2 * np.nanmax(np.abs(ends[:, 0]), initial=1e-9)
    finite = ends[np.isfinite(ends)]
    span = (max(min(finite.min(initial=0), 0), -reach), min(max(finite.max(initial=0), 0), reach))
    unit = view.unit(target)
    columns = [
        Column("motif"),
        Column("logo"),
        Column(each, True),
        Column(f"effect ({unit})", True, "mean change of the prediction"),
        Column("95 % interval", True, "confidence interval of the mean (Student's t)"),
        Column("drawn", meaning="dot: effect; line: interval; grey line: no effect"),
    ]
    return Table(caption, columns, [_row(view, r, span) for r in rows.itertuples()])


def _row(view: View, row, span: tuple[float, float]) -> list[str]:
    known = np.isfinite(row.ci_low) and np.isfinite(row.ci_high)
    return [
        Markup("<b>{}</b><br><code>{}</code>").format(row.name, row.motif),
        view.motifs.logo(row.motif),
        f"{row.n:,}",
        signed(row.effect),
        f"{signed(row.ci_low)} to {signed(row.ci_high)}" if known else "–",
        Markup(interval(row.effect, row.ci_low, row.ci_high, span)),
    ]
