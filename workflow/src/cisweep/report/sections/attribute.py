"""Attributions: do they add up, and the strongest regions base by base."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow.compute as pc
from markupsafe import Markup

from cisweep.bases import one_hot
from cisweep.config.model import MANY_TARGETS
from cisweep.contracts import Windows, stored_name
from cisweep.outputs.attributions import targets_of
from cisweep.outputs.h5 import read_windows
from cisweep.outputs.pairs import open_pairs, pair_blocks, rows_of
from cisweep.outputs.tables import open_parquet, read_parquet
from cisweep.plot.of_page import DrawnRegion, draw_regions
from cisweep.plot.svg import logo_svg
from cisweep.report.blocks import (
    Block,
    Check,
    Column,
    Figure,
    Files,
    Heading,
    Note,
    Section,
    Table,
    number,
    place,
    signed,
)
from cisweep.report.figures import Span, bars, spans
from cisweep.report.sections.predict import predicted
from cisweep.report.sections.select import Peaks, is_peak, read_peaks
from cisweep.report.view import View

ZOOM_BP = 100
_ADDS_UP = 0.01  # a hundredth of the mean change is below what a logo shows
OPEN = 4  # regions that are shown without asking
_LEGEND = (
    "The strongest regions by {by}; of those that overlap the strongest stands for all. Above: "
    "the attribution of each base over the whole window, up "
    "where the base raises the prediction, down where it lowers it. Below: the shaded stretch as "
    "letters as high as their attribution ({unit}), with seqlets (green) and matches of the motif "
    "families that drive the target (blue): "
    "point at one for its values."
)


@dataclass(frozen=True)
class Region:
    """A region to show: its window, strength, attributions (L,) and logo (L, 4), + orientation."""

    chrom: str
    start: int
    end: int
    strand: str
    strength: float
    attributions: np.ndarray
    logo: np.ndarray


def of_model(view: View) -> Section:
    """Return how exactly attributions add up, and the strongest regions of each target."""
    section = Section([_completeness(view)], checks=_checks(view))
    with open_pairs(view.folder / "attributions.h5") as file:
        windows = read_windows(file)
        section.counts.append(("attributed", len(windows), "windows with attributions"))
        if len(windows):
            peaks, strengths = read_peaks(view), _strengths(view, file, windows)
            for target, strength in strengths.items():
                of_target = rows_of(file, target)
                mine, own = windows.take(of_target), strength[of_target]
                rows = _strongest(view, target, mine, own, peaks)
                regions = [_region(file, target, mine, i, int(of_target[i]), own[i]) for i in rows]
                _show(view, section, target, regions)
    return section


def _show(view: View, section: Section, target: str, regions: list[Region]) -> None:
    """Add the strongest regions of a target."""
    if not regions:
        none = f"{target} has no predicted peak, so none of its regions is shown."
        section.add(target, [Note(none)])
        return
    by = "prediction" if view.plan.is_on("predict") else "summed attribution"
    name, unit = f"regions.{view.file_name(target)}", view.unit(target)
    shown = _shown(view, target, regions, by)
    blocks: list[Block] = [
        Heading(f"Target {target}: strongest regions"),
        Note(_LEGEND.format(by=by, unit=unit)),
        *(_figure(region, i) for i, region in enumerate(shown)),
    ]
    if not view.model_config.has_many_targets:
        section.drawings[name] = _drawer(shown, unit)
        blocks.append(Files(f"These regions of {target} as a figure", view.own_copies(name)))
    section.add(target, blocks)


def _completeness(view: View) -> Block:
    if view.plan.step_config("attribute").method == "ism":
        return Note(
            "By mutagenesis: the value of a base is the prediction with it less the mean over the "
            "four bases. There are no references, and no sum to which the values would add up."
        )
    summary = view.table("attribution_summary.tsv").set_index("target")
    rows = [
        [
            t.name,
            number(summary.loc[t.name, "max_delta_share"], 2),
            number(summary.loc[t.name, "mean_abs_delta_y"]),
        ]
        for t in view.targets
        if t.name in summary.index
    ]
    columns = [
        Column("target"),
        Column("largest error", True, "share of the mean change; 0 is exact"),
        Column("mean change", True, "mean |prediction(window) − prediction(reference)|"),
    ]
    return Table("Attributions add up to the change of the prediction", columns, rows)


def _checks(view: View) -> list[Check]:
    """Return whether attributions add up to what they explain."""
    if view.plan.step_config("attribute").method == "ism":
        return []
    worst = float(view.table("attribution_summary.tsv")["max_delta_share"].max())
    if not np.isfinite(worst):
        return []
    level = "good" if worst <= _ADDS_UP else "look"
    return [
        Check(
            level,
            "Attributions add up to the change of the prediction"
            f"{'' if level == 'good' else ' only roughly'}: the largest difference is "
            f"{number(100 * worst, 2)} % of the mean change.",
        )
    ]


def _strongest(
    view: View, target: str, windows: Windows, strength: np.ndarray, peaks: Peaks | None
) -> list[int]:
    """Return the rows of the strongest windows; of selected peaks, those of the target alone."""
    rows = np.argsort(-strength, kind="stable")
    if peaks is not None and target in peaks.summary.index:
        rows = rows[is_peak(peaks, target, windows)[rows]]
    return apart(windows, rows, view.page.top_regions)


def _region(
    file: h5py.File, target: str, windows: Windows, i: int, row: int, strength: float
) -> Region:
    """Return the i-th of a target's windows, which is `row` of all."""
    values, tokens = file[f"attributions/{stored_name(target)}"][i], file["tokens"][row]
    return Region(
        windows.chrom[i],
        int(windows.start[i]),
        int(windows.end[i]),
        windows.strand[i],
        float(strength),
        values,
        one_hot(tokens, float).T * values[:, None],
    )


def apart(windows: Windows, rows: np.ndarray, n: int) -> list[int]:
    """Return the first n of `rows` whose windows overlap none before them."""
    chosen: list[int] = []
    for i in rows.tolist():
        if len(chosen) == n:
            break
        if not any(
            windows.chrom[i] == windows.chrom[j]
            and windows.start[i] < windows.end[j]
            and windows.start[j] < windows.end[i]
            for j in chosen
        ):
            chosen.append(i)
    return chosen


def _strengths(view: View, file: h5py.File, windows: Windows) -> dict[str, np.ndarray]:
    """Return of each target the attributed windows' predictions, or summed attributions without."""
    names = [target.name for target in view.targets]
    if view.plan.is_on("predict"):
        return predicted(view, names, windows)
    return {name: _sums(file, name, len(windows)) for name in names}


def _sums(file: h5py.File, target: str, n: int) -> np.ndarray:
    """Return the summed attribution of each of n windows, NaN where the target is not explained."""
    found = np.full(n, np.nan, np.float32)
    for rows, values in pair_blocks(file, target, ["attributions"]):
        found[rows] = values["attributions"].sum(axis=1)
    return found


def _inside(path: Path, regions: list[Region], target: str) -> list[pd.DataFrame]:
    """Return the rows of a table in genome order that touch each region: of its row groups those
    are read that may have some, of its columns those that are of no target or of this one."""
    stored, found = stored_name(target), []
    with open_parquet(path) as file:
        names = file.schema_arrow.names
    others = tuple(f"{kind}_" for kind in ("attribution", "cosine", "projection", "best"))
    own = [name for name in names if not name.startswith(others) or name.endswith(f"_{stored}")]
    for r in regions:
        touches = (pc.field("start") < r.end) & (pc.field("end") > r.start)
        wanted = (pc.field("chrom") == r.chrom) & touches
        rows = read_parquet(path, columns=own, filters=wanted)
        found.append(rows.to_pandas())
    return found


@dataclass(frozen=True)
class Shown:
    """A region with its title and the seqlets and matches in it."""

    region: Region
    title: str
    spans: list[Span]


def _shown(view: View, target: str, regions: list[Region], by: str) -> list[Shown]:
    nothing = [pd.DataFrame()] * len(regions)
    paths = [view.folder / f"{step}.parquet" for step in ("seqlets", "hits")]
    tables = [
        _inside(path, regions, target) if view.plan.is_on(path.stem) else nothing for path in paths
    ]
    driving = _driving(view, target)
    found = []
    for region, seqlets, hits in zip(regions, *tables):
        where = place(region.chrom, region.start, region.end, region.strand)
        items = _seqlet_spans(seqlets, target) + _hit_spans(hits, target, driving)
        found.append(Shown(region, f"{where}, {by} {number(region.strength)}", items))
    return found


def _figure(shown: Shown, i: int) -> Figure:
    """Return the figure of the i-th region."""
    drawing = _drawing(shown.region, shown.spans, shown.title)
    return Figure(drawing, shown.title, folded=i >= OPEN)


def _drawer(shown: list[Shown], unit: str) -> Callable[[], Any]:
    """Return what draws the regions of a target for a file."""
    return lambda: draw_regions([_drawn(each) for each in shown], unit)


def _drawn(shown: Shown) -> DrawnRegion:
    low, high = strongest_stretch(shown.region.attributions, ZOOM_BP)
    start = shown.region.start + low
    rows = [(s.label, s.start - start, s.end - start) for s in shown.spans]
    return DrawnRegion(
        shown.title,
        shown.region.start,
        shown.region.attributions,
        (low, high),
        shown.region.logo[low:high].T,
        pd.DataFrame(rows, columns=["motif_name", "start", "end"]),
    )


def _seqlet_spans(seqlets: pd.DataFrame, target: str) -> list[Span]:
    if not len(seqlets):
        return []
    mine = seqlets[seqlets["target"] == target]
    names = mine["motif"].fillna("").tolist()  # most seqlets may have none
    return [
        Span(
            int(s.start), int(s.end), name or "seqlet", "seqlet",
            f"seqlet, {signed(s.attribution)}, q {number(s.q_value, 2)}; named "
            f"{name or 'by no motif'}",
        )
        for s, name in zip(mine.itertuples(), names)
    ]  # fmt: skip


def _driving(view: View, target: str) -> set[str]:
    """Return the ids of the motifs of the families that drive a target."""
    if not view.plan.is_on("hits"):
        return set()
    families = view.rows_of("motif_families.tsv", target)
    motifs = view.rows_of("motif_ranking.tsv", target)
    drives = families[families["drives"].astype(bool)]
    return set(motifs[motifs["family_rank"].isin(drives["rank"])]["motif"])


def _hit_spans(hits: pd.DataFrame, target: str, driving: set[str]) -> list[Span]:
    """Return the matches that win their place, of families that drive the target: other ones lie
    everywhere, and say nothing."""
    if f"best_{stored_name(target)}" not in hits:
        return []
    mine = hits[hits[f"best_{stored_name(target)}"] & hits["motif"].isin(driving)]
    values = mine[f"attribution_{stored_name(target)}"]
    return [
        Span(
            int(h.start), int(h.end), h.name, "hit",
            f"{h.motif} {h.name} {h.strand}, p {number(h.p_value, 2)}, attribution {signed(value)}",
        )
        for h, value in zip(mine.itertuples(), values)
    ]  # fmt: skip


def _drawing(region: Region, items: list[Span], text: str) -> Markup:
    """Return the track of a window and, zoomed to its strongest stretch, logo, seqlets, hits."""
    low, high = strongest_stretch(region.attributions, ZOOM_BP)
    start = region.start + low
    moved = [Span(s.start - start, s.end - start, s.label, s.kind, s.title) for s in items]
    shown = [s for s in moved if s.start < high - low and s.end > 0]
    names = list(dict.fromkeys(s.label for s in shown if s.kind == "hit"))
    label = f"{text}. Letters of {start + 1:,} to {region.start + high:,}"
    return Markup(
        bars(region.attributions, region.start, highlight=(low, high), label=f"Track of {text}")
        + logo_svg(region.logo[low:high], height_px=90, width_px=960, title=label, symbols=False)
        + spans(shown, high - low, label=f"Matches: {', '.join(names) or 'none'}")
    )


def strongest_stretch(values: np.ndarray, width: int) -> tuple[int, int]:
    """Return [low, high) of the `width` positions with the largest sum of absolute values.

    Of stretches within 3 % of the largest sum it is the one whose middle holds most.
    """
    if len(values) <= width:
        return 0, len(values)
    sums = np.convolve(np.abs(values), np.ones(width), "valid")
    central = np.convolve(np.abs(values), np.bartlett(width + 2)[1:-1], "valid")
    low = int(np.argmax(np.where(sums >= 0.97 * sums.max(), central, -1)))
    return low, low + width


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    corrected = (
        " The mean over the four bases was taken off each gradient (Majdandzic et al. 2023, Genome "
        "Biology 24)."
        if config.gradient_correction
        else ""
    )
    if config.method == "deep_lift_shap":
        return (
            "Attributions are DeepLIFT/SHAP values (rescale rule; Shrikumar et al. 2017, ICML; "
            "Lundberg and Lee 2017, NeurIPS), the mean over "
            f"{config.n_references} {config.references} references a window and both strands where "
            "the model reads both."
        )
    if config.method == "integrated_gradients":
        return (
            "Attributions are integrated gradients (Sundararajan et al. 2017, ICML) against "
            f"{config.n_references} {config.references} references a window.{corrected}"
        )
    if config.method == "ism":
        return (
            "Attributions are those of in silico saturation mutagenesis: the prediction with the "
            "observed base less the mean over the four bases."
        )
    return (
        "Attributions are gradient times input (Shrikumar et al. 2016, arXiv:1605.01713)."
        f"{corrected}"
    )


def regions(view: View) -> Windows:
    """Return the attributed windows."""
    with open_pairs(view.folder / "attributions.h5") as file:
        return read_windows(file)


def columns(view: View, windows: Windows) -> dict[str, np.ndarray]:
    """Return the summed attribution of each target, NaN where a window has none."""
    rows = {key: i for i, key in enumerate(windows.keys())}
    found = {}
    with open_pairs(view.folder / "attributions.h5") as file:
        keys = read_windows(file).keys()
        at = np.array([rows.get(key, -1) for key in keys], dtype=np.int64)
        for name in targets_of(file)[:MANY_TARGETS]:
            column = found[f"attribution: {name}"] = np.full(len(windows), np.nan, np.float32)
            column[at[at >= 0]] = _sums(file, name, len(keys))[at >= 0]
    return found
