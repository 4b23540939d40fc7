"""Variants: what each of them changes, the strongest first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cisweep.config.targets import TargetConfig
from cisweep.contracts import Windows
from cisweep.report.blocks import (
    Block,
    Column,
    Figure,
    Heading,
    Note,
    Section,
    Table,
    number,
    plural,
    signed,
)
from cisweep.report.inside import Inside
from cisweep.report.points import Panel, Point, points_plot
from cisweep.report.view import View, largest, parquet_blocks

SHOWN = 10
POINTS = 400
"""Variants of a target in its volcano plot, the strongest."""
SURE = 0.05
FLANK_BP = 100
"""Bases on both sides of a variant that the explorer shows."""
LONGEST = 12  # bases of an allele that are written out


def of_model(view: View) -> Section:
    """Return the volcano plots, and the strongest variants of each target with both alleles."""
    points, n = largest(view.folder / "variants.parquet", "delta", POINTS)
    table = points.groupby("target", sort=False).head(SHOWN)
    dropped = view.table("variants.dropped.tsv")
    variants = n // max(len(view.targets), 1)
    section = Section(
        counts=[
            ("variants", variants, "with an effect on each target"),
            ("variants left out", len(dropped), _reasons(dropped)),
        ]
    )
    section.blocks += [_note(view, table)]
    if not len(table):
        section.blocks.append(Note("No variant has an effect: see variants.dropped.tsv."))
        return section
    many, firsts = view.model_config.has_many_targets, []
    if not many:
        section.blocks.append(_volcano(view, points, view.targets))
    for target in view.targets:
        mine = table[table["target"] == target.name]
        own = [_volcano(view, points, [target])] if many and len(mine) else []
        section.add(target.name, [*own, *_target(view, target.name, mine)])
        firsts += [mine.iloc[0]] if len(mine) else []
    if many:
        firsts = sorted(firsts, key=lambda row: -abs(row["delta"]))
    section.headlines += [
        f"Of {plural(variants, 'variant')}, {name_of(row)} changes {row['target']} most: "
        f"{signed(row['delta'])} {view.unit(row['target'])}."
        for row in firsts
    ]
    return section


def _volcano(view: View, table: pd.DataFrame, targets: Sequence[TargetConfig]) -> Figure:
    """Return a plot a target of the strongest variants: effect against significance."""
    panels = []
    for target in targets:
        rows = table[table["target"] == target.name]
        if not len(rows):
            continue
        effect, effect_name = rows["delta"], f"effect ({view.unit(target.name)})"
        if rows["log2fc"].notna().any():
            effect, effect_name = rows["log2fc"], "log₂ fold change"
        height, name = _significance(rows)
        points = [_point(row, x, y) for (_, row), x, y in zip(rows.iterrows(), effect, height)]
        panels.append(Panel(target.name, effect_name, name, points))
    caption = (
        f"Each dot is a variant, the {POINTS} with the largest effects of each target: its effect "
        "(right: the alternate allele raises the prediction) against its significance, or, "
        "without nulls, how active the place is. Red: q at most "
        f"{SURE}. Point at one for its values, or move with Tab and the arrows; a click or Enter "
        "opens its place in the explorer."
    )
    files = view.copies("figures/variants.volcano.svg")
    return Figure(points_plot(panels), caption, files=files)


def _significance(rows: pd.DataFrame) -> tuple[pd.Series, str]:
    if rows["p_value"].notna().any():
        return -np.log10(rows["p_value"]), "−log₁₀ p"
    if rows["active_allele_quantile"].notna().any():
        return rows["active_allele_quantile"], "activity"
    larger = rows[["prediction_ref", "prediction_alt"]].max(axis=1)
    return larger, "prediction of the more active allele"


def _point(row: pd.Series, x: float, y: float) -> Point:
    values = [f"effect {signed(row['delta'])}"]
    if row["p_value"] == row["p_value"]:
        values.append(f"p {number(row['p_value'], 2)}, q {number(row['q_value'], 2)}")
    ident = "" if row["id"] in (".", "") else f" ({row['id']})"
    first, last = max(int(row["pos_1based"]) - FLANK_BP, 1), int(row["pos_1based"]) + FLANK_BP
    name = name_of(row)
    return Point(
        float(x),
        float(y),
        f"{name}{ident}: {'; '.join(values)}",
        f"{row['chrom']}:{first:,}-{last:,}",
        "sure" if row["q_value"] <= SURE else "",
        name,
    )


def _reasons(dropped: pd.DataFrame) -> str:
    counts = dropped["reason"].value_counts()
    return ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in counts.items()) or "none"


def _note(view: View, table: pd.DataFrame) -> Note:
    text = (
        "Effect: prediction of the alternate allele − prediction of the reference allele, each in "
        "a window centred on the variant, in the target's unit."
    )
    if view.config.n_nulls:
        text += (
            f" p: how often shuffled flanks ({view.config.n_nulls} draws a variant) give as large "
            "an effect; q: the same over all variants (Benjamini–Hochberg)."
        )
    if len(table) and table["active_allele_quantile"].notna().any():
        text += (
            " Activity: the rank of the more active allele among the selected peaks (or all "
            "windows), 1 is the most active."
        )
    return Note(text + " Positions here are 1-based, as in VCF.")


def _target(view: View, target: str, rows: pd.DataFrame) -> list[Block]:
    optional = {
        "log2fc": Column("log₂ fold", True, "log2 of alternate / reference counts"),
        "delta_probability": Column("Δ probability", True),
        "active_allele_quantile": Column("activity", True, "rank among the peaks, 0 to 1"),
        "p_value": Column("p", True),
        "q_value": Column("q", True),
    }
    there = {c: column for c, column in optional.items() if rows[c].notna().any()}
    grouped = (rows["group"] != "").any()
    named = (~rows["id"].isin([".", ""])).any()
    columns = [Column("variant"), *([Column("id")] if named else [])]
    columns += [Column("group")] if grouped else []
    columns += [
        Column("reference", True, f"prediction, {view.unit(target)}"),
        Column("alternate", True, f"prediction, {view.unit(target)}"),
        Column("effect", True, "alternate − reference"),
        *there.values(),
    ]
    cells = [
        [
            name_of(row),
            *(["" if row["id"] == "." else str(row["id"])] if named else []),
            *([row["group"]] if grouped else []),
            number(row["prediction_ref"]),
            number(row["prediction_alt"]),
            signed(row["delta"]),
            *(_value(c, row[c]) for c in there),
        ]
        for _, row in rows.iterrows()
    ]
    unit = view.unit(target)
    caption = f"The {len(rows)} variants with the largest effects on {target} ({unit})"
    blocks: list[Block] = [Heading(f"Target {target}"), Table(caption, columns, cells)]
    logos = f"figures/variants.{view.file_name(target)}.logos.svg"
    if logos in view.products:
        blocks += [_logos(view, target, logos)]
        blocks += _hits(view, target)
    return blocks


def _value(column: str, value: float) -> str:
    return signed(value) if column in ("log2fc", "delta_probability") else number(value, 2)


def _logos(view: View, target: str, path: str) -> Block:
    return view.figure(
        path,
        f"Attribution logos of both alleles of the strongest variants for {target}.",
        f"Both alleles of the strongest variants, the middle 60 bp: letters as high as their "
        f"attribution ({view.unit(target)}). Left: reference; right: alternate, on one scale.",
    )


def _hits(view: View, target: str) -> list[Block]:
    hits = view.table(f"variants.{view.file_name(target)}.hits.tsv")
    hits = hits[hits["change"].isin(["gained", "lost"])]
    if not len(hits):
        return []
    rows = []
    for _, mine in hits.groupby(["chrom", "pos_1based", "ref", "alt"], sort=False):
        parts = [
            ", ".join(dict.fromkeys(mine.loc[mine["change"] == change, "name"])) or "–"
            for change in ("gained", "lost")
        ]
        rows.append([name_of(mine.iloc[0]), *parts])
    columns = [Column("variant"), Column("gained"), Column("lost")]
    return [Table("Motif matches that the alternate allele gains and loses", columns, rows)]


def name_of(row: pd.Series) -> str:
    """Return `chrom:position ref>alt`, 1-based as in VCF; long alleles are cut."""
    ref, alt = (
        a if len(a) <= LONGEST else f"{a[:LONGEST]}… ({len(a)} bp)"
        for a in (row["ref"], row["alt"])
    )
    return f"{row['chrom']}:{int(row['pos_1based']):,} {ref}>{alt}"


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    text = (
        f"Variants of {config.path.name} were scored as the prediction of the alternative less "
        "that of the reference allele, in windows centred on the variant."
    )
    if config.n_nulls:
        text += (
            f" p is the rank of a score among those of shuffled sequence ({config.n_nulls} a "
            "variant), q follows Benjamini and Hochberg (1995)."
        )
    return text


def columns(view: View, windows: Windows) -> dict[str, np.ndarray]:
    """Return how many variants lie in each window."""
    columns = ["chrom", "pos_1based", "ref", "alt"]
    path = view.folder / "variants.parquet"
    blocks = [block.drop_duplicates() for block in parquet_blocks(path, columns)]
    if not blocks:
        return {"variants": np.zeros(len(windows), np.int64)}
    # One row a target: each variant counts once.
    table = pd.concat(blocks, ignore_index=True).drop_duplicates(["chrom", "pos_1based", "alt"])
    start = table["pos_1based"].to_numpy() - 1
    end = start + table["ref"].str.len().to_numpy()
    _, window = Inside(windows).pairs(table["chrom"].to_numpy(), start, end)
    return {"variants": np.bincount(window, minlength=len(windows))}
