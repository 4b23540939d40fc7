"""The explorer of the page: a table of the run's regions beside its tracks, drawn by igv.js.

It opens from a file without network, so the tracks are in the page: whole where they fit into
`report.explorer_mb`, else at the strongest regions, as many as fit.
"""

import gzip
import json
import re
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.config.model import MANY_TARGETS
from cisweep.genome.gtf import Gene, bed12, nearest_genes, read_genes
from cisweep.outputs.browser import BrowserTrack, browser_tracks, igv_options
from cisweep.plan.plan import Plan
from cisweep.report.sections import hook_of
from cisweep.report.slices import (
    HARMLESS,
    Places,
    bigwig_uri,
    packed,
    reference_uri,
    rows_uri,
)
from cisweep.report.view import UNITS, Motifs, View

MAX_ROWS = 200_000
"""Regions in the table; of more, the strongest."""
FLANK_BP = 100
"""Bases shown beside a region whose tracks are cut out."""
_LIBRARIES = ("igv.min.js", "igv.LICENSE", "tabulator.min.js", "tabulator.LICENSE",
              "tabulator.min.css")  # fmt: skip
_UNSAFE = re.compile("[<>&\"'`]")
_VENDOR = files("cisweep.report") / "vendor"


@dataclass(frozen=True)
class Explorer:
    """What the page needs to draw the explorer.

    data: columns and rows of the table, tracks and reference (JSON); scripts, style: the libraries
    and the explorer's own; note: which part of the run is in the page.
    """

    data: str
    scripts: list[str]
    style: str
    note: str


def missing_libraries() -> list[str]:
    """Return the libraries of the explorer that are not installed beside the package."""
    return [name for name in _LIBRARIES if not (_VENDOR / name).is_file()]


def why_none(plan: Plan) -> str:
    """Return why a run on a genome has no explorer, with the mend; "" where nothing stops it."""
    if missing := missing_libraries():
        return (
            f"its libraries are not installed ({', '.join(missing)}). Mend: make web, then make "
            "the page again."
        )
    # The libraries write names of chromosomes as HTML.
    if any(_UNSAFE.search(chrom) for chrom in plan.source.lengths):
        return "a chromosome's name holds one of < > & or a quote."
    return ""


@cache
def _library(name: str) -> str:
    code, licence = (_VENDOR / f"{name}.min.js").read_text(), (_VENDOR / f"{name}.LICENSE")
    # The page is HTML: the end of a script inside a string of the library would end it.
    safe = code.replace("</script", r"<\/script")
    return f"/* {name}\n{licence.read_text().replace('*/', '')}*/\n{safe}"


def explorer(plan: Plan) -> Explorer | None:
    """Return the explorer of a run on a genome whose products are complete.

    None where there is nothing to explore, and as `why_none` says.
    """
    step = plan.step_config("report")
    if not plan.is_genome or not step.explorer_mb or why_none(plan):
        return None
    table = region_table(plan)
    if table is None:
        return None
    if genes := _read_genes(plan):
        chrom, middle = table["chrom"].to_numpy(), (table["start"] + table["end"]).to_numpy() // 2
        table["gene"], table["bp to gene"] = nearest_genes(genes, chrom, middle)
    folder = Path(plan.results)
    every = browser_tracks(path.removeprefix(f"{folder}/") for path in plan.products())
    tracks = [track for track in every if _is_shown(plan, track)]
    places, n_shown = _places(plan, tracks, table, int(step.explorer_mb * 1e6))
    table["shown"] = np.arange(len(table)) < n_shown
    data = {
        "run": plan.config.run,
        "columns": _columns(plan, table),
        "rows": _packed(table),
        "reference": {
            "id": plan.config.run,
            "name": plan.config.genome.fasta.name,
            "fastaURL": reference_uri(plan.source, places, plan.swept_chroms()),
            "indexed": False,
            "wholeGenomeView": False,
        },
        "tracks": [*_genes(genes, places), *(igv_track(t, folder, places) for t in tracks)],
    }
    assets = files("cisweep.report") / "assets"
    return Explorer(
        json.dumps(data).replace("<", "\\u003c"),
        [_library("igv"), _library("tabulator"), (assets / "explorer.js").read_text()],
        (_VENDOR / "tabulator.min.css").read_text() + (assets / "explorer.css").read_text(),
        _note(table, n_shown, places is None, len(every) - len(tracks)),
    )


def _is_shown(plan: Plan, track: BrowserTrack) -> bool:
    """Is a track in the page: of a model with many targets the signals of the first ones are."""
    model = plan.models.get(track.model)
    if model is None or not (track.is_signal and model.has_many_targets):
        return True
    others = model.target_names[MANY_TARGETS:]
    return track.name not in {model.file_names[target] for target in others}


def _note(table: pd.DataFrame, n_shown: int, is_whole: bool, n_left_out: int) -> str:
    session = "the session of the folder browser in IGV"
    if n_left_out:
        strongest = f", at the {n_shown:,} strongest of {len(table):,} regions,"
        return (
            f"The tracks of the first {MANY_TARGETS} targets{'' if is_whole else strongest} are in "
            f"this page. {n_left_out:,} more are in {session}."
        )
    if is_whole:
        return "All tracks of the run are in this page."
    return (
        f"The tracks of the {n_shown:,} strongest of {len(table):,} regions are in this page. For "
        f"the others open {session}."
    )


# ---- The table of regions ---------------------------------------------------------------------


def region_table(plan: Plan) -> pd.DataFrame | None:
    """Return one row a window of a model, the strongest first; None if no model has any.

    Columns: model (of several), chrom, start, end, strand, and those that the sections of the steps
    add: a number for each target T is called `what: T`.
    """
    parts = [part for model in plan.models if (part := _rows_of(plan, model)) is not None]
    if not parts:
        return None
    several = len(parts) > 1
    table = pd.concat(parts, ignore_index=True)
    # Of several models the first rows are the strongest of each in turn.
    table = table.sort_values("rank", kind="stable").drop(columns="rank").head(MAX_ROWS)
    table = table.reset_index(drop=True)
    return table if several else table.drop(columns="model")


def _rows_of(plan: Plan, model: str) -> pd.DataFrame | None:
    steps = sorted(plan.steps.values(), key=lambda step: -step.order)
    views = [v for s in steps if (v := View(plan, s, model, Motifs(None))).products]
    # The last step that has windows tells which: attributions are of those of the predictions.
    found = (regions(view) for view in views if (regions := hook_of(view, "regions")))
    windows = next((w for w in found if w is not None), None)
    if windows is None or not len(windows):
        return None
    table = pd.DataFrame(
        {
            "model": model,
            "chrom": windows.chrom,
            "start": windows.start,
            "end": windows.end,
            "strand": windows.strand,
        }
    )
    first: dict[str, np.ndarray] = {}
    for view in reversed(views):
        if columns := hook_of(view, "columns"):
            for name, values in columns(view, windows).items():
                table[name] = values
        if chosen := hook_of(view, "chosen"):
            first = chosen(view, windows)
    table["rank"] = _ranks(_strengths(table), first, len(table))
    return table


def _strengths(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what ranks the windows of each target: the first column of it."""
    found: dict[str, np.ndarray] = {}
    for name in table:
        what, _, target = str(name).partition(": ")
        if target:
            found.setdefault(target, table[name].to_numpy(dtype=float))
    return found


def _ranks(strengths: dict[str, np.ndarray], first: dict[str, np.ndarray], n: int) -> np.ndarray:
    """Return each window's best rank among those of any target.

    first: target -> (n,) bool: windows that stand before the others of the target, its peaks.
    """
    best = np.full(n, n, dtype=np.int64)
    # The windows of a target without any peak are those of other targets.
    own = {t: values for t, values in strengths.items() if t not in first or first[t].any()}
    for target, values in (own or strengths).items():
        is_first = first.get(target, np.ones(n, dtype=bool))
        order = np.lexsort((-np.nan_to_num(values, nan=-np.inf), ~is_first))
        ranks = np.empty(n, dtype=np.int64)
        ranks[order] = np.arange(n)
        best = np.minimum(best, ranks)
    return best if strengths else np.arange(n)


def _columns(plan: Plan, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return title, unit and kind of each column that the table shows."""
    scales = {t.name: UNITS[t.scale] for model in plan.models for t in plan.models[model].targets}
    shown = [{"field": "locus", "title": "region", "kind": "locus"}]
    # What a reader looks for first stands first: the place, and what was found in it.
    for name in sorted(table.columns, key=lambda c: ": " in c):
        if name in ("chrom", "start", "end", "strand", "shown"):
            continue
        what, _, target = name.partition(": ")
        if target:
            unit = scales[target]
            # The library of the table reads titles as HTML.
            title = target.translate(HARMLESS)
            shown.append({"field": name, "title": title, "group": f"{what}", "unit": unit,
                          "kind": "number"})  # fmt: skip
        else:
            kind = "count" if table[name].dtype.kind == "i" else "text"
            shown.append({"field": name, "title": name, "kind": kind})
    return shown


def _packed(table: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of the table as numbers, which a browser reads without parsing.

    columns: name and type (f4, i4, u4, u2, u1, little-endian) of each, of texts also their words,
    which the numbers count; data: their values one after the other, gzipped, in base64. Of a float
    16 bits of the mantissa are kept, four digits; missing is NaN.
    """
    columns, parts = [], []
    for name in table:
        values, words = table[name], None
        if values.dtype == object or isinstance(values.dtype, pd.StringDtype):
            codes, found = pd.factorize(values)
            words, kind = found.tolist(), _unsigned(len(found))
            numbers = codes.astype(kind)
        elif values.dtype.kind == "f":
            bits = values.to_numpy(dtype="<f4").view("<u4")
            numbers, kind = np.where(values.isna(), bits, (bits + 128) & 0xFFFFFF00), "<f4"
            numbers = numbers.astype("<u4")
        else:
            numbers, kind = values.to_numpy(dtype="<i4"), "<i4"
        told = {"name": name, "type": kind[1:]}
        columns.append(told if words is None else told | {"words": words})
        parts.append(numbers)
    # Wide ones first, so that each begins at a multiple of its size.
    order = sorted(range(len(parts)), key=lambda i: -parts[i].itemsize)
    data = b"".join(parts[i].tobytes() for i in order)
    return {
        "n": len(table),
        "columns": [columns[i] for i in order],
        "data": b64encode(gzip.compress(data, 6, mtime=0)).decode(),
    }


def _unsigned(n: int) -> str:
    """Return the type of numbers below n."""
    return "<u1" if n <= 1 << 8 else "<u2" if n <= 1 << 16 else "<u4"


# ---- The tracks -------------------------------------------------------------------------------


def _places(
    plan: Plan, tracks: list[BrowserTrack], table: pd.DataFrame, budget: int
) -> tuple[Places | None, int]:
    """Return where tracks are cut out (None: they are whole) and how many rows that covers."""
    folder, lengths = Path(plan.results), plan.source.lengths
    signals = [folder / t.path for t in tracks if t.is_signal]
    rows = [folder / t.path for t in tracks if not t.is_signal]
    whole = sum(path.stat().st_size for path in signals)
    whole += sum(path.stat().st_size for path in rows) // 3  # as gzip
    whole += sum(lengths[chrom] for chrom in plan.swept_chroms()) // 3
    if whole * 4 // 3 <= budget:
        return None, len(table)
    # Per base: four bytes of each track, as base64, and a third for the base itself.
    per_bp = (4 * len(signals) + 1 / 3) * 4 / 3
    wanted, n = [], 0
    for row in table.itertuples():
        span = row.end - row.start + 2 * FLANK_BP
        if budget < span * per_bp:
            break
        budget -= span * per_bp
        wanted.append((row.chrom, row.start - FLANK_BP, row.end + FLANK_BP))
        n += 1
    return Places(wanted, lengths), n


def _read_genes(plan: Plan) -> list[Gene]:
    """Return the genes on the chromosomes of the run, if a GTF is given."""
    path, chroms = plan.step_config("report").genes, set(plan.swept_chroms())
    return [] if path is None else read_genes(path, lambda chrom, start, end: chrom in chroms)


def _genes(genes: list[Gene], places: Places | None) -> list[dict[str, Any]]:
    """Return the track of the genes, of those at the places."""
    shown = [g for g in genes if places is None or places.touch(g.chrom, g.start, g.end)]
    if not shown:
        return []
    rows = "".join(map(bed12, shown)).translate(HARMLESS)
    return [
        {
            "name": "genes", "type": "annotation", "format": "bed", "displayMode": "EXPANDED",
            "color": "rgb(60,60,110)", "url": packed(rows),
        }
    ]  # fmt: skip


def igv_track(track: BrowserTrack, folder: Path, places: Places | None) -> dict[str, Any]:
    """Return a track as igv.js takes it, with its data."""
    path = folder / track.path
    make = bigwig_uri if track.is_signal else rows_uri
    # Without an index beside it a VCF is read whole, as it should be.
    indexed = {"indexed": False} if track.is_variants else {}
    return igv_options(track) | indexed | {"url": make(path, places)}
