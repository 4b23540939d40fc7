"""Spacing: two motifs over distance and orientation."""

import pandas as pd

from cisweep.report.blocks import Column, Note, Section, Table, signed
from cisweep.report.view import View

SHOWN = 20
_NOTE = (
    "Two motifs stand in the middle of background windows, the first on the left. Effect: mean of "
    "prediction with both − prediction without. Interaction: that effect − the effects of each "
    "motif alone at the same place; above 0 the two do more together than apart. + and − are the "
    "strands of the first and the second motif. Bands and brackets: 95 % confidence interval of "
    "the mean."
)


def of_model(view: View) -> Section:
    """Return the curves, and the distance of the strongest interaction of each arrangement."""
    table = view.table("space.parquet")
    groups = table.groupby(["motif_a", "motif_b", "target", "orientation"], sort=False)
    at = groups["interaction"].apply(lambda values: values.abs().idxmax()).to_numpy()
    best = table.loc[at] if len(table) else table
    size = best["interaction"].abs().sort_values(ascending=False, kind="stable").index[:SHOWN]
    columns = [
        Column("pair"),
        Column("strands"),
        Column("target"),
        Column("distance (bp)", True, "bases between the two motifs"),
        Column("effect", True, "of the pair, in the target's unit"),
        Column("interaction", True, "beyond the sum of both alone"),
        Column("95 % interval", True, "of the interaction"),
    ]
    rows = [_row(row) for row in best.loc[size].itertuples()]
    caption = "Strongest interaction of each arrangement, over its distances"
    figure = view.figure(
        "figures/space.svg",
        "Effect of each pair of motifs over the distance between them, one curve an orientation.",
        "Effect of the pair (in the target's unit) over the distance in bp; one panel a pair and "
        "target.",
    )
    return Section([Note(_NOTE), figure, Table(caption, columns, rows)])


def _row(row: pd.Series) -> list[str]:
    low, high = row.interaction_ci_low, row.interaction_ci_high
    return [
        f"{row.name_a or row.motif_a}, {row.name_b or row.motif_b}",
        row.orientation.replace("-", "−"),
        row.target,
        f"{row.distance_bp:,}",
        signed(row.effect),
        signed(row.interaction),
        f"{signed(low)} to {signed(high)}",
    ]


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    return (
        "The effect of the spacing of two motifs is the change of the prediction when both are put "
        f"into {config.n_backgrounds} {config.backgrounds.replace('_', '-')} sequences at each "
        "distance and orientation, less that of each alone."
    )
