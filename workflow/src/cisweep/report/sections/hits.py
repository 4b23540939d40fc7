"""Motif hits: which known motifs drive each target."""

import pandas as pd
from markupsafe import Markup, escape

from cisweep.report.blocks import Block, Column, Heading, Note, Section, Table, number, signed
from cisweep.report.view import View, parquet_blocks

OTHERS = 8
_NOTE = (
    "Every match of every matrix (FIMO) in the attributed windows carries the summed attribution "
    "of its bases. Motifs are ranked by the mean per match: what one match contributes. "
    "The sum is what all matches contribute together. z compares the mean with copies of the "
    "matrix whose columns are shuffled. Matrices of one family stand as one group under the best "
    "of them, because the bases cannot tell relatives apart."
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
    for target in view.targets:
        mine = ranking[(ranking["target"] == target.name) & ranking["rank_mean"].notna()]
        best = families(mine, view.page.top_motifs)
        section.blocks += _blocks(view, target.name, best)
        if len(best):
            first = best.iloc[0]
            others = _listed(first["others"], 3)
            relatives = f" (or a relative: {others})" if others else ""
            section.headlines.append(
                f"{first['name']} is the motif that drives {target.name} most{relatives}: "
                f"{signed(first['mean'])} {view.unit(target.name)} a match, "
                f"{first['n_hits']:,} matches, z {number(first['z'])}."
            )
    return section


def _blocks(view: View, target: str, best: pd.DataFrame) -> list[Block]:
    unit = view.unit(target)
    columns = [
        Column("motif"),
        Column("logo"),
        Column("matches", True, "matches in attributed windows, overlaps resolved"),
        Column(f"mean ({unit})", True, "mean over the matches of their summed attribution"),
        Column(f"sum ({unit})", True, "sum over the matches"),
        Column("z", True, "of the mean, against copies with shuffled columns"),
        Column("same family"),
    ]
    rows = [
        [
            Markup('<b>{}</b><br><code class="id">{}</code>').format(row.name, row.motif),
            view.motifs.logo(row.motif),
            f"{row.n_hits:,}",
            signed(row.mean),
            signed(row.sum),
            number(row.z),
            Markup("<small>{}</small>").format(escape(_listed(row.others, OTHERS))),
        ]
        for row in best.itertuples()
    ]
    empty = "No motif has enough matches in attributed windows."
    caption = f"Motif families that drive {target}, by mean attribution a match"
    return [Heading(f"Target {target}"), Table(caption, columns, rows, empty)]


def _listed(names: list[str], shown: int) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
