"""Motif hits: which known motifs drive each target."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from markupsafe import Markup, escape

from cisweep.contracts import Windows, stored_name
from cisweep.plot.motif_clusters import leaf_order
from cisweep.report.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Headline,
    Note,
    Section,
    Table,
    listed,
    number,
    plural,
    signed,
)
from cisweep.report.inside import Inside
from cisweep.report.motif_evidence import evidence, shown_families
from cisweep.report.sections.select import read_peaks
from cisweep.report.targets import MOST_TARGETS, HeatMap, heat_map
from cisweep.report.view import View, parquet_blocks
from cisweep.steps.hits import DRIVES

OTHERS = 8
MOST_FAMILIES = 40
"""Families of the heat map of many targets."""
FEW_TARGETS, FEW_LINES = 5, 4
"""Of a model with many targets: targets of a line at the top of the page, and lines."""
MEMBERS = 3
"""Members of a family that a sentence names."""
_NOTE = (
    "Matches of the motifs (FIMO) in the attributed windows, each with the summed attribution of "
    "its bases. Where matches overlap, the one whose motif is most like the attributions wins the "
    "place. Motifs that look alike form a family, since the bases of a site rarely tell relatives "
    "apart; families, and their members, are ranked by what the places that they win explain "
    "together. q compares the mean of a match with that of motifs whose columns are shuffled: "
    "above {drives} a family does no more than those, and is not named."
)


_MATRIX = "figures/motif_targets.svg"
_DISCOVERED = (
    "Motifs that the run discovered (cluster_1, …) are scanned too. They were formed from these "
    "attributions, so that any of them would stand above shuffled columns: they have no q, and by "
    "themselves are not said to drive a target."
)


def family_name(row: pd.Series, known: str = "") -> str:
    """Return a family with its first members, `SPIB family (SPIB, SPI1, ETV6 and 20 more)`.

    known: what a classification calls the family of the first member, in place of that one's name.
    """
    members = str(row["members"]).split(";")
    if len(members) == 1:
        return f"{row['family']} ({known})" if known else str(row["family"])
    name = known or str(row["family"])
    # TFClass has families such as "Ets-related" and "Factors with multiple dispersed zinc fingers".
    kind = "" if re.search(r"\b(family|factors)\b", name, re.IGNORECASE) else " family"
    return f"{name}{kind} ({listed(members, MEMBERS)})"


def _known(view: View, row: pd.Series) -> str:
    return view.motifs.family(row["motif"], row["family"])


def of_model(view: View) -> Section:
    """Return the ranked motif families of each target."""
    n, motifs = 0, set()
    for block in parquet_blocks(view.folder / "hits.parquet", ["motif"]):
        n += len(block)
        motifs.update(block["motif"].unique())
    section = Section(counts=[("hits", n, f"matches of {len(motifs):,} motifs")])
    ranking = view.table("motif_families.tsv")
    if "rank" not in ranking:
        section.blocks.append(
            Note("Without attributions the motifs are not ranked; hits.parquet lists the matches.")
        )
        return section
    section.blocks.append(Note(_NOTE.format(drives=DRIVES)))
    if view.motifs.discovered:
        section.blocks.append(Note(_DISCOVERED))
    peaks, without, unseen, lowered = read_peaks(view), [], [], []
    driven: dict[str, list[str]] = {}
    for target in view.targets:
        if peaks and peaks.lacks(target.name):
            unseen.append(target.name)
            continue
        shown = ranking["q_value"].notna() | ranking["motif"].isin(view.motifs.discovered)
        mine = ranking[(ranking["target"] == target.name) & shown]
        mine = mine.sort_values("explained", ascending=False, kind="stable")
        section.add(target.name, _blocks(view, target.name, mine))
        drivers = mine[mine["drives"].astype(bool)]
        if len(drivers) and not view.model_config.has_many_targets:
            section.headlines.append(_headline(view, target.name, drivers))
        elif len(drivers):
            driven[target.name] = drivers["family"].tolist()
        else:
            without.append(target.name)
        if mine["lowers"].astype(bool).any() and not view.model_config.has_many_targets:
            lowering = mine[mine["lowers"].astype(bool)].sort_values("explained", kind="stable")
            lowered.append(_lowering(view, target.name, lowering.iloc[0]))
    few = len(view.targets) > 1 and not view.model_config.has_many_targets
    if few and view.has(_MATRIX):
        section.blocks.append(_matrix(view))
    section.headlines += _together(driven)
    # What lowers a target is often the site of another one, on which the model was trained too.
    section.headlines += lowered
    if without:
        section.headlines.append(
            f"No motif is named as a driver of {listed(without, 5)}: none contributes more than "
            f"motifs with shuffled columns do (q above {DRIVES}), or there are too few matches."
        )
    if unseen:
        section.headlines.append(
            f"No motif is named for {listed(unseen, 5)} for want of predicted peaks: windows of "
            "other targets do not tell what drives a target (motif_families.tsv has the figures)."
        )
    return section


def _matrix(view: View) -> Figure:
    """Return the figure of families and targets."""
    return view.figure(
        _MATRIX,
        "Heat map of families of motifs and targets, with the families' logos.",
        "Families that drive or lower a target, beside all targets: the share of a target's "
        "attribution of one sign that their places hold. A point: more places than if all "
        "explained windows were dealt to the targets at random (q < 0.05). Values, errors and p: "
        "motif_targets.tsv.",
        folded=True,
    )


def _headline(view: View, target: str, drivers: pd.DataFrame) -> Headline:
    """Return the sentence on the family that explains most of a target, with its logo."""
    first = drivers.iloc[0]
    return Headline(
        f"{family_name(first, _known(view, first))} drives {target} most: {signed(first['mean'])} "
        f"{view.unit(target)} per place, {plural(int(first['n_places']), 'place')}, "
        f"q {number(first['q_value'], 2)}.",
        view.motifs.logo(first["motif"]),
    )


def _together(driven: dict[str, list[str]]) -> list[str]:
    """Return what tells many targets apart: the families that drive most of them; driven: target ->
    families, the one that explains most first."""
    targets_of: dict[str, list[str]] = {}
    for target, families in driven.items():
        targets_of.setdefault(families[0], []).append(target)
    most = sorted(targets_of.items(), key=lambda item: -len(item[1]))
    return [
        f"{family} comes first of the families that drive {listed(targets, FEW_TARGETS)}."
        for family, targets in most[:FEW_LINES]
    ]


def _lowering(view: View, target: str, row: pd.Series) -> Headline:
    """Return the sentence on the family that lowers a target most, with its logo."""
    return Headline(
        f"{family_name(row, _known(view, row))} lowers {target} most: {signed(row['mean'])} "
        f"{view.unit(target)} per place, {plural(int(row['n_places']), 'place')}, "
        f"q {number(row['lowers_q_value'], 2)}.",
        view.motifs.logo(row["motif"]),
    )


def _q_value(row: pd.Series) -> Cell:
    """Return the q-value of a family, "none" of one that the run formed itself."""
    if np.isnan(row["q_value"]):
        return Cell("none", np.nan)
    return Cell(number(row["q_value"], 2), row["q_value"])


def _effect(row: pd.Series) -> str:
    """Return what a family does, "" for no more than shuffled copies do."""
    if row["drives"]:
        return "raises"
    return "lowers" if row["lowers"] else ""


def _blocks(view: View, target: str, families: pd.DataFrame) -> list[Block]:
    unit = view.unit(target)
    others = evidence(view, target)
    columns = [
        Column("family", meaning="named by the member that explains most"),
        Column("logo", meaning="of that member"),
        Column("places", True, "that a match of a member wins"),
        Column(f"mean ({unit})", True, "mean over the places of their summed attribution"),
        Column(f"explained ({unit})", True, "sum over the places; the order of the table"),
        Column(
            "q",
            True,
            "lowest of its members, against copies with shuffled columns; above "
            f"{DRIVES} it does no more than they do",
        ),
        Column(
            "effect",
            meaning="raises or lowers the prediction, by its own places too, more surely than "
            "copies with shuffled columns do; empty: it does not",
        ),
        *(each.column for each in others),
        Column("members", meaning="the one that explains most first"),
    ]
    rows = [
        [
            Markup('<b>{}</b><br><code class="id">{}</code><small>{}</small>').format(
                row["family"], row["motif"], _known(view, row)
            ),
            view.motifs.logo(row["motif"]),
            Cell(f"{row['n_places']:,}", row["n_places"]),
            Cell(signed(row["mean"]), row["mean"]),
            Cell(signed(row["explained"]), row["explained"]),
            _q_value(row),
            _effect(row),
            *(each.of(row["rank"]) for each in others),
            Markup("<small>{}</small>").format(
                escape(listed(str(row["members"]).split(";"), OTHERS))
            ),
        ]
        for _, row in shown_families(families, others, view.page.top_motifs).iterrows()
    ]
    empty = "No motif has enough matches in attributed windows."
    caption = f"Motif families by what they explain of {target}, {len(rows):,} of {len(families):,}"
    file = f"{view.model}.{view.file_name(target)}.motifs.tsv"
    return [Heading(f"Target {target}"), Table(caption, columns, rows, empty, file)]


def _effective(view: View) -> pd.DataFrame:
    """Return the families of motifs that drive or lower a target, all targets together."""
    table = view.table("motif_families.tsv")
    if "drives" not in table:
        return table.iloc[:0]
    return table[table["drives"].astype(bool) | table["lowers"].astype(bool)]


def across(view: View) -> list[Figure]:
    """Return who of many targets is driven by what."""
    families, names = _effective(view), [target.name for target in view.targets]
    if not len(families):
        return []
    n = families["target"].value_counts()
    first = set(sorted(names, key=lambda name: -n.get(name, 0))[:MOST_TARGETS])
    return [motif_map(families, [name for name in names if name in first])]


def motif_map(families: pd.DataFrame, shown: list[str]) -> Figure:
    """Return who is driven by what: families (rows) and targets."""
    most = families["explained"].abs().groupby(families["target"]).max()
    rows = families["family"].value_counts().head(MOST_FAMILIES).index.tolist()
    row_of = {family: i for i, family in enumerate(rows)}
    column_of = {target: i for i, target in enumerate(shown)}
    values = np.zeros((len(rows), len(shown)))
    told = [[""] * len(shown) for _ in rows]
    for each in families.itertuples():
        if each.family in row_of and each.target in column_of:
            at = row_of[each.family], column_of[each.target]
            values[at] = each.explained / (most[each.target] or 1.0)
            told[at[0]][at[1]] = (
                f"{each.family}, {each.target}: {plural(int(each.n_places), 'place')}, explained "
                f"{signed(each.explained)}, mean {signed(each.mean)}"
            )
    down, along = leaf_order(values), leaf_order(values.T)
    drawn = HeatMap(
        values[down][:, along],
        [rows[i] for i in down],
        [shown[i] for i in along],
        [[told[i][j] for j in along] for i in down],
    )
    n = families["family"].nunique()
    some = f"the {len(rows)} of {n} that most targets share" if n > len(rows) else str(n)
    caption = (
        f"Families of motifs ({some}) that drive (red) or lower (blue) a target, by what their "
        "places explain as a share of the target's first family. Alike ones stand side by side; "
        "point at a cell for its values."
    )
    return Figure(Markup(heat_map(drawn, "Families of motifs and targets")), caption)


def target_columns(view: View) -> list[tuple[Column, dict[str, Any]]]:
    """Return what the table of many targets says of their first families."""
    families = _effective(view)
    if not len(families):
        return []
    drivers = families[families["drives"].astype(bool)]
    first = {target: mine.iloc[0] for target, mine in drivers.groupby("target", sort=False)}
    n = drivers["target"].value_counts()
    return [
        (
            Column("first family", meaning="the family of motifs that drives it most"),
            {t: family_name(row, _known(view, row)) for t, row in first.items()},
        ),
        (
            Column("mean", True, "attribution of a place of it, in the target's unit"),
            {t: Cell(signed(row["mean"]), row["mean"]) for t, row in first.items()},
        ),
        (
            Column("q", True, "against copies with shuffled columns"),
            {t: Cell(number(row["q_value"], 2), row["q_value"]) for t, row in first.items()},
        ),
        (
            Column("families", True, "that drive it"),
            {t: Cell(f"{k:,}", k) for t, k in n.items()},
        ),
    ]


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config, names = view.config, {"file": view.plan.config.motifs.name}
    names["discovered"] = "the motifs that the run discovered"
    motifs = " and ".join(names[which] for which in config.motifs)
    background = config.background if isinstance(config.background, str) else "a given one"
    return (
        f"Motif hits are matches of the matrices of {motifs} with p below "
        f"{config.threshold:g} by FIMO's definition (Grant et al. 2011, Bioinformatics 27), exact "
        f"for the background ({background}). q-values follow Benjamini and Hochberg (1995). Motifs "
        f"are ranked by the attribution of their hits against {config.null_copies} copies of each "
        "matrix with shuffled columns."
    )


def columns(view: View, windows: Windows) -> dict[str, list[str]]:
    """Return the families of motifs in each window: those that drive a target and whose match is
    the best of its place and raises it, the most attribution first."""
    families = view.table("motif_families.tsv")
    if "drives" not in families:
        return {}
    drivers = set(families[families["drives"].astype(bool)][["target", "family"]].itertuples(
        index=False, name=None))  # fmt: skip
    family_of: dict[str, dict[str, str]] = {t.name: {} for t in view.targets}
    for row in view.table("motif_ranking.tsv").itertuples():
        if (row.target, row.family) in drivers:
            family_of[row.target][row.motif] = row.family
    inside, best = Inside(windows), []
    path = view.folder / "hits.parquet"
    for target, families_of in family_of.items():
        if not families_of:
            continue
        value, wins = (f"{what}_{stored_name(target)}" for what in ("attribution", "best"))
        wanted = pc.field(wins) & (pc.field(value) > 0)
        wanted &= pc.field("motif").isin(list(families_of))
        for block in parquet_blocks(path, ["chrom", "start", "end", "motif", value, wins], wanted):
            span, window = inside.pairs(*(block[c].to_numpy() for c in ("chrom", "start", "end")))
            names = block["motif"].map(families_of).to_numpy()[span]
            best.append(
                pd.DataFrame(
                    {"window": window, "family": names, "value": block[value].to_numpy()[span]}
                )
            )
    found = pd.concat(best) if best else pd.DataFrame({"window": [], "family": [], "value": []})
    found = found.groupby(["window", "family"], as_index=False)["value"].max()
    found = found.sort_values(["window", "value", "family"], ascending=[True, False, True])
    names = np.full(len(windows), "", dtype=object)
    told = found.groupby("window")["family"].agg(", ".join)
    names[told.index.to_numpy(dtype=np.int64)] = told.to_numpy()
    return {"motifs": names.tolist()}
