"""Motif discovery: the motifs that a model's attributions form."""

from collections.abc import Iterable
from typing import Any

from cisweep.genome.motifs import load_motifs
from cisweep.report.blocks import (
    Block,
    Column,
    Heading,
    Note,
    Section,
    Table,
    number,
    plural,
    signed,
)
from cisweep.report.view import View, matrix_logo
from cisweep.steps.discover import FOLDER

SHOWN = 30
TARGETS_SHOWN = 5
"""Targets that a row of the clusters names."""
_CLUSTERS_NOTE = (
    "The motifs that were found for each target, those that are alike joined. A target uses a "
    "cluster as far as the cluster's seqlets carry its attribution. A point in the map says that "
    "it has more of these seqlets than if the searched windows were dealt to the targets at random "
    "(q below 0.05)."
)
_NOTE = (
    "Spans of high attribution were clustered by likeness (tf-modiscolite), without knowing any "
    "motif: each row is a pattern that recurs. It has the name of the known motif that is closest "
    "by Tomtom, if few random patterns (of the same regions, or its own columns shuffled) have one "
    "as close. Positive patterns raise the prediction, negative ones lower it."
)


def of_model(view: View) -> Section:
    """Return the found motifs of each target beside the closest known ones."""
    section = Section([Note(_NOTE)])
    for target in view.targets:
        heading = Heading(f"Target {target.name}")
        section.add(target.name, [heading, *_target(view, target.name, section)])
    return section


def of_run(view: View) -> Section | None:
    """Return the clusters of found motifs, and which targets use them."""
    table, uses = (view.table(f"{FOLDER}/{name}.tsv") for name in ("clusters", "targets"))
    if not len(table):
        return None
    path = view.folder / FOLDER / "clusters.meme"
    logos = {m.name: m for m in load_motifs(path)}
    one = uses["model"].nunique() == 1
    uses["who"] = uses["target"] if one else uses["model"] + " " + uses["target"]
    uses["largest"] = -uses["share"].abs()
    top = uses.sort_values("largest", kind="stable").groupby("cluster", sort=False)
    used_by = {
        cluster: ", ".join(
            f"{row.who} {'−' if row.sign == '-' else ''}{row.share:.1%} ± {row.share_se:.1%}"
            for row in part.head(TARGETS_SHOWN).itertuples()
        )
        + (f" and {len(part) - TARGETS_SHOWN} more" if len(part) > TARGETS_SHOWN else "")
        for cluster, part in top
    }
    columns = [
        Column("cluster"),
        Column("known motif"),
        Column("mean motif", meaning="bits"),
        Column("seqlets", True),
        Column("targets", True),
        Column("share of a target's attribution", meaning="± standard error; largest first"),
    ]
    rows = [
        [
            row.cluster.replace("_", " "),
            row.motif if isinstance(row.motif, str) else "",
            matrix_logo(logos[row.cluster].pwm, row.consensus),
            f"{row.n_seqlets:,}",
            f"{row.n_targets:,}",
            used_by.get(row.cluster, ""),
        ]
        for row in table.head(SHOWN).itertuples()
    ]
    caption = f"{plural(len(table), 'cluster')} of found motifs"
    figure = view.figure(
        f"{FOLDER}/figures/clusters.svg",
        "A heat map of clusters of motifs and targets, with the clusters' logos.",
        "Share of each target's attribution in the seqlets of each cluster; red raises the "
        "prediction, blue lowers it.",
    )
    return Section([Note(_CLUSTERS_NOTE), figure, Table(caption, columns, rows, "none.")])


def _seqlets(view: View, target: str) -> Iterable[Any]:
    """Return the rows that say what became of the seqlets of each sign."""
    return view.table(f"discover/{view.file_name(target)}.seqlets.tsv").fillna("").itertuples()


def _became(row: Any) -> str:
    """Return the sentence on the seqlets of a sign: how many were found and kept, or why none."""
    word = "Positive" if row.sign == "+" else "Negative"
    if row.note:
        return f"{word} motifs: none, since {row.note}."
    again = f" ({row.repeated:,} more in windows over the same places)" if row.repeated else ""
    return (
        f"{word} seqlets: {row.found:,} found{again}, {row.clustered:,} clustered, "
        f"{row.in_motifs:,} of them in {plural(row.motifs, 'motif')}."
    )


def _target(view: View, target: str, section: Section) -> list[Block]:
    table = view.table(f"discover/{view.file_name(target)}.tsv")
    table = table.fillna({"motif": ""})
    columns = [
        Column("pattern"),
        Column("sign", meaning="of its attribution"),
        Column("found motif", meaning="bits"),
        Column("seqlets", True),
        Column(f"mean attribution ({view.unit(target)})", True, "summed over the motif"),
        Column("known motif"),
        Column("logo", meaning="on the strand that is like the found motif"),
        Column("p of the name", True, "share of random patterns with as close a motif"),
    ]
    path = view.folder / f"discover/{view.file_name(target)}.meme"
    found = {m.name: m for m in load_motifs(path)} if len(table) else {}
    rows = [
        [
            row.pattern,
            row.sign.replace("-", "−"),
            matrix_logo(found[row.pattern].pwm, row.consensus) if row.pattern in found else "",
            f"{row.n_seqlets:,}",
            signed(row.mean_attribution),
            f"{row.motif} ({row.motif_id})" if row.motif else "",
            view.motifs.logo(row.motif_id, row.motif_strand) if row.motif else "",
            number(row.name_p_value, 2),
        ]
        for row in table.head(SHOWN).itertuples()
    ]
    caption = f"{plural(len(table), 'motif')} found in the attributions of {target}"
    blocks: list[Block] = [Table(caption, columns, rows, "no seqlets form a pattern.")]
    blocks.append(Note(" ".join(_became(row) for row in _seqlets(view, target))))
    if len(table):
        best = table.loc[table["n_seqlets"].idxmax()]
        like = (
            f"is most like {best['motif']} ({best['n_seqlets']:,} seqlets, p of the name "
            f"{number(best['name_p_value'], 2)})."
            if best["motif"]
            else f"({best['n_seqlets']:,} seqlets) is like no known one: of random patterns "
            f"{number(best['name_p_value'], 2)} have one as close."
        )
        section.headlines.append(
            f"The commonest motif found in the attributions of {target} {like}"
        )
        blocks.append(
            view.figure(
                f"figures/discover.{view.file_name(target)}.svg",
                f"Logos of the motifs found in the attributions of {target}, on both strands.",
                "The found motifs by their mean attributions and in bits, on both strands.",
                folded=True,
            )
        )
    return blocks


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    return (
        "Motifs were discovered from the attributions by tf-modiscolite (Shrikumar et al. 2018, "
        f"arXiv:1811.00416) within {config.window_bp} bp of up to {config.max_regions:,} regions, "
        f"from at most {config.max_seqlets:,} seqlets of each sign."
    )
