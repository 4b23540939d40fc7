"""Motif hits: which known motifs drive each target."""

import pandas as pd
from markupsafe import Markup, escape

from cisweep.contracts import Windows
from cisweep.report.blocks import (
    Block,
    Column,
    Heading,
    Note,
    Section,
    Table,
    listed,
    number,
    signed,
)
from cisweep.report.inside import Inside
from cisweep.report.sections.select import read_peaks
from cisweep.report.view import View, parquet_blocks

OTHERS = 8
DRIVES = 0.05
"""Largest q-value at which a motif is named as a driver."""
_NOTE = (
    "Every match of every matrix (FIMO) in the attributed windows carries the summed attribution "
    "of its bases. Motifs are ranked by the mean per match: what one match contributes. "
    "The sum is what all matches contribute together. p, q and z compare the mean with copies of "
    "all matrices whose columns are shuffled. Matrices of one family stand as one group under the "
    "best of them, because the bases cannot tell relatives apart."
)


def families(ranking: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return the best motif of each family, best family first, with the names of the others."""
    best = ranking.drop_duplicates("family").head(top).copy()
    members = ranking.groupby("family", sort=False)["name"].agg(lambda n: list(dict.fromkeys(n)))
    best["others"] = [
        [m for m in members[family] if m != name]
        for family, name in zip(best["family"], best["name"])
    ]
    return best


def of_model(view: View) -> Section:
    """Return the ranked motif families of each target."""
    n, motifs = 0, set()
    for block in parquet_blocks(view.folder / "hits.parquet", ["motif"]):
        n += len(block)
        motifs.update(block["motif"].unique())
    section = Section(counts=[("hits", n, f"matches of {len(motifs):,} motifs")])
    ranking = view.table("motif_ranking.tsv")
    if "rank_mean" not in ranking:
        section.blocks.append(
            Note("Without attributions the motifs are not ranked; hits.parquet lists the matches.")
        )
        return section
    section.blocks.append(Note(_NOTE))
    peaks, without = read_peaks(view), []
    for target in view.targets:
        mine = ranking[(ranking["target"] == target.name) & ranking["rank_mean"].notna()]
        section.blocks += _blocks(view, target.name, families(mine, view.page.top_motifs))
        drivers = families(mine[mine["q_value"] <= DRIVES], 1)
        if len(drivers) and not (peaks and peaks.lacks(target.name)):
            section.headlines.append(_headline(view, target.name, drivers.iloc[0]))
        else:
            without.append(target.name)
    if without:
        section.headlines.append(
            f"No motif is named as a driver of {listed(without, 5)}: none contributes more than "
            f"motifs with shuffled columns do (q above {DRIVES}), or there are too few matches."
        )
    return section


def _headline(view: View, target: str, first: pd.Series) -> str:
    """Return the sentence on the motif that drives a target most."""
    others = listed(first["others"], 3)
    relatives = f" (or a relative: {others})" if others else ""
    return (
        f"{first['name']} is the motif that drives {target} most{relatives}: "
        f"{signed(first['mean'])} {view.unit(target)} a match, {first['n_hits']:,} matches, "
        f"q {number(first['q_value'], 2)}."
    )


def _blocks(view: View, target: str, best: pd.DataFrame) -> list[Block]:
    unit = view.unit(target)
    columns = [
        Column("motif"),
        Column("logo"),
        Column("matches", True, "matches in attributed windows, overlaps resolved"),
        Column(f"mean ({unit})", True, "mean over the matches of their summed attribution"),
        Column(f"sum ({unit})", True, "sum over the matches"),
        Column(
            "q",
            True,
            f"of the mean, against copies with shuffled columns; above {DRIVES} the "
            "motif does no more than they do",
        ),
        Column("z", True, "the normal quantile of p"),
        Column("same family"),
    ]
    rows = [
        [
            Markup('<b>{}</b><br><code class="id">{}</code>').format(row.name, row.motif),
            view.motifs.logo(row.motif),
            f"{row.n_hits:,}",
            signed(row.mean),
            signed(row.sum),
            number(row.q_value, 2),
            number(row.z),
            Markup("<small>{}</small>").format(escape(listed(row.others, OTHERS))),
        ]
        for row in best.itertuples()
    ]
    empty = "No motif has enough matches in attributed windows."
    caption = f"Motif families that drive {target}, by mean attribution a match"
    return [Heading(f"Target {target}"), Table(caption, columns, rows, empty)]


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config, motifs = view.config, view.plan.config.motifs
    background = config.background if isinstance(config.background, str) else "a given one"
    return (
        f"Motif hits are matches of the matrices of {motifs.name} with p below "
        f"{config.threshold:g} by FIMO's definition (Grant et al. 2011, Bioinformatics 27), exact "
        f"for the background ({background}). q-values follow Benjamini and Hochberg (1995). Motifs "
        f"are ranked by the attribution of their hits against {config.null_copies} copies of each "
        "matrix with shuffled columns."
    )


def columns(view: View, windows: Windows) -> dict[str, list[str]]:
    """Return the names of up to four motifs of each window: matches that are the best of their
    place for a target and raise it, the most attribution first."""
    inside = Inside(windows)
    found: list[dict[str, float]] = [{} for _ in range(len(windows))]
    for block in parquet_blocks(view.folder / "hits.parquet"):
        for target in (t.name for t in view.targets):
            if f"best_{target}" not in block:
                continue
            value = f"attribution_{target}"
            kept = block[block[f"best_{target}"] & (block[value] > 0)]
            for chrom, start, end, name, v in zip(
                *(kept[c] for c in ("chrom", "start", "end", "name", value))
            ):
                for i in inside.of(chrom, start, end):
                    found[i][name] = max(found[i].get(name, 0), v)
    names = [", ".join(sorted(f, key=lambda name: (-f[name], name))[:4]) for f in found]
    return {"motifs": names} if any(names) else {}
