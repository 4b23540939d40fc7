"""Seqlets: which spans the model itself picks out."""

import numpy as np
import pandas as pd

from cisweep.report.blocks import Column, Heading, Note, Section, Table, listed, number, signed
from cisweep.report.sections.hits import MEMBERS
from cisweep.report.view import View

_NOTE = (
    "Seqlets are spans of high attribution, called without knowing any motif. A seqlet is named "
    "after the motif match that lies over it (or over it and its neighbour), if the motif's family "
    "drives the target; else after the motif that it resembles most (Tomtom). A name is given only "
    "where at most a share of {rate} of random spans of the same windows would be named as well. "
    "Seqlets of a small model are often the core of a site, 4 to 8 bases that many factors share: "
    "without a match read the name as a resemblance, not as an identification."
)


def by_family(seqlets: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return the first families of each sign, + first, in the order of the ranking of the hits;
    motifs of no ranked family come behind them, the commonest first, and "" for no name.

    Columns: name, motif_id (the commonest motif's), sign, members (motifs, the commonest first),
    n, attribution (mean), p (median share of random spans that are named as well).
    """
    named = seqlets.assign(
        name=seqlets["family"].fillna(seqlets["motif"]).fillna(""),
        rank=seqlets["family_rank"].fillna(np.inf),
    ).fillna({"motif": "", "motif_id": ""})
    found = []
    for (sign, name), mine in named.groupby(["sign", "name"], sort=False):
        motifs = mine["motif"].value_counts()  # equal counts in the order of the genome
        ids = mine["motif_id"].value_counts()
        found.append(
            {"name": name, "motif_id": ids.index[0], "sign": sign, "members": motifs.index.tolist(),
             "n": len(mine), "attribution": mine["attribution"].mean(),
             "p": mine["name_p_value"].median(), "rank": mine["rank"].min()}
        )  # fmt: skip
    columns = ["name", "motif_id", "sign", "members", "n", "attribution", "p", "rank"]
    table = pd.DataFrame(found, columns=columns).sort_values(
        ["sign", "rank", "n", "name"], ascending=[True, True, False, True], kind="stable"
    )  # "+" sorts before "-"
    return table.groupby("sign", sort=False).head(top)


def why_none(summary: pd.DataFrame, fdr: float) -> str:
    """Return why a target has no seqlet, from its rows of the summary."""
    called = int(summary["n_called"].sum())
    if not called:
        return "No span stands out from the other bases of the windows, so none is a seqlet."
    decoys, ratio = int(summary["n_decoys"].sum()), summary["null_ratio"].iloc[0]
    return (
        f"No seqlet passes a false discovery rate of {fdr}: {called:,} spans stand out in the "
        f"windows and {decoys:,} in {number(ratio, 2)} times as much shuffled sequence, so the "
        f"lowest rate that any threshold reaches is {number(summary['lowest_rate'].min(), 2)}."
    )


def of_model(view: View) -> Section:
    """Return the most frequent motifs of each target's seqlets."""
    seqlets = view.table("seqlets.parquet")
    summary = view.table("seqlet_summary.tsv")
    section = Section(
        [Note(_NOTE.format(rate=view.config.name_rate))],
        counts=[("seqlets", len(seqlets), "all targets, both signs")],
    )
    for target in view.targets:
        mine = seqlets[seqlets["target"] == target.name]
        columns = [
            Column("family", meaning="in the order of the ranking of the motif hits"),
            Column("logo", meaning="of the commonest member"),
            Column("sign", meaning="+ raises the prediction, − lowers it"),
            Column("seqlets", True),
            Column(f"mean attribution ({view.unit(target.name)})", True, "summed over a seqlet"),
            Column("median p of the name", True, "share of random spans that are named as well"),
            Column("members", meaning="the commonest first"),
        ]
        rows = [
            [
                row.name or "none",
                view.motifs.logo(row.motif_id),
                row.sign.replace("-", "−"),
                f"{row.n:,}",
                signed(row.attribution),
                number(row.p, 2),
                listed(row.members, MEMBERS) if row.name else "",
            ]
            for row in by_family(mine, view.page.top_motifs).itertuples(index=False)
        ]
        caption = f"{len(mine):,} seqlets of {target.name}, {mine['motif'].count():,} with a name"
        empty = why_none(summary[summary["target"] == target.name], view.config.fdr)
        table = Table(caption, columns, rows, empty)
        section.add(target.name, [Heading(f"Target {target.name}"), table])
        control = summary.loc[summary["target"] == target.name, "random_named"]
        if len(mine) and len(control):
            text = (
                f"Control: {number(100 * control.iloc[0], 2)} % of random spans beside these "
                "seqlets, of the same lengths, get a name."
            )
            section.add(target.name, [Note(text)])
    return section


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    return (
        "Seqlets are spans of high attribution, called by the recursive algorithm of tangermeme "
        f"(threshold {config.threshold:g}, {config.min_len} to {config.max_len} bp) at a false "
        f"discovery rate of {config.fdr:g} against the attributions of dinucleotide-shuffled "
        "windows, and compared with known matrices by Tomtom (Gupta et al. 2007, Genome Biol 8)."
    )
