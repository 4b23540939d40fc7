"""Ablation: what the matches in real windows are worth."""

import numpy as np
import pandas as pd
from markupsafe import Markup

from cisweep.report.blocks import Block, Column, Heading, Note, Section, Table, number, signed
from cisweep.report.effects import SHOWN
from cisweep.report.figures import interval
from cisweep.report.view import View

SURE = 0.05
"""Largest q-value at which a motif stands in a headline."""


def of_model(view: View) -> Section:
    """Return the motifs whose hits matter most to each target."""
    table, config = view.table("ablate.parquet"), view.config
    note = Note(
        f"The {config.max_hits} best matches of each motif that do not overlap were shuffled out "
        f"of their windows ({config.n_shuffles} shuffles each). The effect is the mean of "
        "prediction without the match − prediction with it: below 0 the match supports the "
        "prediction. The windows were chosen for their predictions, so shuffling anything in them "
        f"costs something: each match is compared with {config.n_controls} random spans of its "
        "length in its own window, and the difference is what the match is worth beyond them. "
        "Motifs stand in the order of the end of the difference's interval that is nearer to no "
        "effect, so that few matches do not decide; those with fewer than "
        f"{config.min_hits} stand in ablate.parquet only."
    )
    section = Section([note])
    for target in view.targets:
        mine = table[(table["target"] == target.name) & table["rank"].notna()]
        best = mine.sort_values("rank").head(SHOWN)
        section.add(target.name, _blocks(view, target.name, best, len(mine)))
        # Ranks come from intervals, which a few matches leave wide: the test decides.
        sure = mine[(mine["q_value"] <= SURE) & (mine["difference"] < 0)].sort_values("rank")
        if len(sure):
            first = sure.iloc[0]
            section.headlines.append(
                f"Without its matches of {first['name'] or first['motif']}, {target.name} falls "
                f"most: {signed(first['effect'])} {view.unit(target.name)} in the mean of "
                f"{first['n']:,} matches; without random spans {signed(first['control'])} "
                f"(q {number(first['q_value'], 2)})."
            )
        elif len(mine):
            text = f"No motif's matches are worth more to {target.name} than random spans are."
            section.add(target.name, [Note(text)])
    return section


def _blocks(view: View, target: str, best: pd.DataFrame, n: int) -> list[Block]:
    ends = best[["difference", "difference_ci_low", "difference_ci_high"]].to_numpy(float)
    reach = np.nanmax(np.abs(ends), initial=1e-9)
    unit = view.unit(target)
    columns = [
        Column("motif"),
        Column("logo"),
        Column("matches", True),
        Column(f"effect ({unit})", True, "mean change of the prediction without a match"),
        Column("random spans", True, "the same of random spans of the same windows"),
        Column("difference, 95 % interval", True, "effect − random spans (Student's t)"),
        Column("drawn", meaning="dot: difference; line: its interval; grey line: none"),
        Column("p", True, "two-sided, exact over which spans of the windows are the matches"),
        Column("q", True, "Benjamini-Hochberg over the motifs"),
    ]
    rows = [
        [
            Markup("<b>{}</b><br><code>{}</code>").format(row.name, row.motif),
            view.motifs.logo(row.motif),
            f"{row.n:,}",
            signed(row.effect),
            signed(row.control),
            f"{signed(row.difference_ci_low)} to {signed(row.difference_ci_high)}",
            Markup(interval(*ends[i], (-reach, reach))),
            number(row.p_value, 2),
            number(row.q_value, 2),
        ]
        for i, row in enumerate(best.itertuples())
    ]
    caption = f"The {len(best)} of {n:,} motifs whose matches weigh most for {target}"
    return [Heading(f"Target {target}"), Table(caption, columns, rows)]


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    return (
        "The effect of ablation is the mean change of the prediction when the hits of a motif are "
        f"replaced by {config.n_shuffles} shuffles each, beside {config.n_controls} random spans "
        "of the same length in the same windows (permutation p, Benjamini and Hochberg q)."
    )
