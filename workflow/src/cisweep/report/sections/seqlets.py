"""Seqlets: which spans the model itself picks out."""

import pandas as pd

from cisweep.report.blocks import Column, Heading, Note, Section, Table, number, signed
from cisweep.report.view import View

_NOTE = (
    "Seqlets are spans of high attribution, called without knowing any motif. A seqlet is named by "
    "its closest matrix (Tomtom), or, with its neighbour, by a match that lies over both, where at "
    "most a share of {rate} of random spans of the same windows are named as well; the others have "
    "no name. A small model's seqlets are fragments, often a core of 4 to 8 bases that many "
    "factors share, so the name is a resemblance and not an identification: read it together with "
    "the ranking of the motif hits."
)


def frequent(seqlets: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return the most frequent motifs of each sign, + first; "" for seqlets without a name."""
    grouped = seqlets.groupby(["motif", "motif_id", "sign"], dropna=False).agg(
        n=("start", "size"), attribution=("attribution", "mean"), p=("name_p_value", "median")
    )
    found = grouped.reset_index().sort_values(
        ["sign", "n", "attribution"], ascending=[True, False, False], kind="stable"
    )  # "+" sorts before "-"
    found = found.groupby("sign", sort=False).head(top)
    return found.fillna({"motif": "", "motif_id": ""})


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
            Column("motif"),
            Column("logo"),
            Column("sign", meaning="+ raises the prediction, − lowers it"),
            Column("seqlets", True),
            Column(f"mean attribution ({view.unit(target.name)})", True, "summed over a seqlet"),
            Column("median p of the name", True, "share of random spans that are named as well"),
        ]
        rows = [
            [
                row.motif or "none",
                view.motifs.logo(row.motif_id),
                row.sign.replace("-", "−"),
                f"{row.n:,}",
                signed(row.attribution),
                number(row.p, 2),
            ]
            for row in frequent(mine, view.page.top_motifs).itertuples()
        ]
        caption = f"{len(mine):,} seqlets of {target.name}, by motif"
        empty = why_none(summary[summary["target"] == target.name], view.config.fdr)
        section.blocks += [Heading(f"Target {target.name}"), Table(caption, columns, rows, empty)]
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
