"""The explorer of the page: a table of the run's regions beside its tracks, drawn by igv.js.

It opens from a file without network, so the tracks are in the page: whole where they fit into
`report.explorer_mb`, else at the strongest regions, as many as fit.
"""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.contracts import Windows
from cisweep.outputs.browser import BrowserTrack, browser_tracks
from cisweep.outputs.h5 import blocks, open_rows, prediction_blocks, read_windows
from cisweep.outputs.tables import read_tsv
from cisweep.plan.plan import Plan
from cisweep.report.slices import Places, bigwig_uri, reference_uri, rows_uri
from cisweep.report.view import UNITS, parquet_blocks

MAX_ROWS = 200_000
"""Regions in the table; of more, the strongest."""
MAX_TARGETS = 12
"""Targets with columns of their own, in all models together."""
FLANK_BP = 100
"""Bases shown beside a region whose tracks are cut out."""
_LIBRARIES = ("igv.min.js", "igv.LICENSE", "tabulator.min.js", "tabulator.LICENSE",
              "tabulator.min.css")  # fmt: skip
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


@cache
def _library(name: str) -> str:
    code, licence = (_VENDOR / f"{name}.min.js").read_text(), (_VENDOR / f"{name}.LICENSE")
    # The page is HTML: the end of a script inside a string of the library would end it.
    safe = code.replace("</script", r"<\/script")
    return f"/* {name}\n{licence.read_text().replace('*/', '')}*/\n{safe}"


def explorer(plan: Plan) -> Explorer | None:
    """Return the explorer of a run on a genome whose products are complete.

    None where there is nothing to explore, or where the libraries are not installed.
    """
    step = plan.step_config("report")
    if not plan.is_genome or not step.explorer_mb or missing_libraries():
        return None
    table = region_table(plan)
    if table is None:
        return None
    folder = Path(plan.results)
    tracks = browser_tracks(path.removeprefix(f"{folder}/") for path in plan.products())
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
        "tracks": [igv_track(t, folder, places) for t in tracks],
    }
    assets = files("cisweep.report") / "assets"
    return Explorer(
        json.dumps(data).replace("<", "\\u003c"),
        [_library("igv"), _library("tabulator"), (assets / "explorer.js").read_text()],
        (_VENDOR / "tabulator.min.css").read_text() + (assets / "explorer.css").read_text(),
        _note(table, n_shown, places is None),
    )


def _note(table: pd.DataFrame, n_shown: int, is_whole: bool) -> str:
    if is_whole:
        return "All tracks of the run are in this page."
    return (
        f"The tracks of the {n_shown:,} strongest of {len(table):,} regions are in this page. For "
        "the others open the session of the folder browser in IGV."
    )


# ---- The table of regions ---------------------------------------------------------------------


def region_table(plan: Plan) -> pd.DataFrame | None:
    """Return one row a window of a model, the strongest first; None if no model has any.

    Columns: model, chrom, start, end, strand; `prediction: T` and `attribution: T` (sum over the
    window) of each target T; motifs (names of the strongest matches, most attribution first);
    variants (number in the window).
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
    folder = Path(plan.results, model)
    targets = [t.name for t in plan.models[model].targets][:MAX_TARGETS]
    source = _source(plan, model, folder)
    if source is None:
        return None
    windows, attributions = source
    table = pd.DataFrame(
        {
            "model": model,
            "chrom": windows.chrom,
            "start": windows.start,
            "end": windows.end,
            "strand": windows.strand,
        }
    )
    strengths = {}
    if plan.is_on("predict"):
        rows = {key: i for i, key in enumerate(windows.keys())}
        for target in targets:
            table[f"prediction: {target}"] = strengths[target] = _predicted(folder, target, rows)
    for target in targets:
        if target in attributions:
            table[f"attribution: {target}"] = attributions[target]
            strengths.setdefault(target, attributions[target])
    table["rank"] = _ranks(strengths, _own(plan, folder, windows), len(table))
    if plan.is_on("hits") and attributions:
        table["motifs"] = _motifs(folder / "hits.parquet", windows, targets)
    if plan.is_on("variants"):
        table["variants"] = _counted(folder / "variants.parquet", windows)
    return table


def _source(plan: Plan, model: str, folder: Path) -> tuple[Windows, dict[str, np.ndarray]] | None:
    """Return the windows of the table, and the summed attribution of each target."""
    if plan.is_on("attribute") and model in plan.models_of("attribute"):
        with open_rows(folder / "attributions.h5") as file:
            names = list(file["attributions"])
            paths = [f"attributions/{name}" for name in names]
            sums: dict[str, list[np.ndarray]] = {name: [] for name in names}
            for _, rows in blocks(file, paths):
                for name, path in zip(names, paths):
                    sums[name].append(rows[path].sum(axis=1))
            windows = read_windows(file)
        if not len(windows):
            return None
        return windows, {name: np.concatenate(parts) for name, parts in sums.items()}
    if not plan.is_on("predict") or model not in plan.models_of("predict"):
        return None
    with open_rows(folder / "predictions.h5") as file:
        windows = read_windows(file)
    return (windows, {}) if len(windows) else None


def _predicted(folder: Path, target: str, rows: dict[str, int]) -> np.ndarray:
    """Return the prediction of each window, NaN where there is none."""
    found = np.full(len(rows), np.nan, np.float32)
    for block, values in prediction_blocks(folder / "predictions.h5", target):
        for key, value in zip(block.keys(), values):
            if key in rows:
                found[rows[key]] = value
    return found


def _own(plan: Plan, folder: Path, windows: Windows) -> dict[str, np.ndarray]:
    """Return, of each target with selected peaks, which windows are its peaks."""
    if not plan.is_on("select"):
        return {}
    keys = windows.keys()
    found = {}
    for target, peaks in read_tsv(folder / "peaks.tsv").groupby("target"):
        columns = (peaks[c].tolist() for c in ("chrom", "start", "end", "strand"))
        own = set(Windows.build(*columns).keys())
        found[target] = np.array([key in own for key in keys])
    return found


def _ranks(strengths: dict[str, np.ndarray], own: dict[str, np.ndarray], n: int) -> np.ndarray:
    """Return each window's best rank among those of any target; a target's own peaks come first."""
    best = np.full(n, n, dtype=np.int64)
    for target, values in strengths.items():
        is_own = own.get(target, np.ones(n, dtype=bool))
        order = np.lexsort((-np.nan_to_num(values, nan=-np.inf), ~is_own))
        ranks = np.empty(n, dtype=np.int64)
        ranks[order] = np.arange(n)
        best = np.minimum(best, ranks)
    return best if strengths else np.arange(n)


class _Overlaps:
    """Finds the windows that hold a span."""

    def __init__(self, windows: Windows):
        self._chroms: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
        starts = np.asarray(windows.start)
        for chrom in dict.fromkeys(windows.chrom):
            rows = np.flatnonzero(windows.chrom == chrom)
            rows = rows[np.argsort(starts[rows], kind="stable")]
            widest = int((windows.end[rows] - starts[rows]).max())
            self._chroms[chrom] = rows, starts[rows], widest
        self._end = np.asarray(windows.end)

    def of(self, chrom: str, start: int, end: int) -> Iterator[int]:
        if chrom not in self._chroms:
            return
        rows, starts, widest = self._chroms[chrom]
        low = np.searchsorted(starts, end - widest)
        for i in rows[low : np.searchsorted(starts, start, side="right")]:
            if self._end[i] >= end:
                yield int(i)


def _motifs(path: Path, windows: Windows, targets: Iterable[str]) -> list[str]:
    """Return the names of up to four motifs of each window: matches that are the best of their
    place for a target and raise it, the most attribution first."""
    overlaps = _Overlaps(windows)
    found: list[dict[str, float]] = [{} for _ in range(len(windows))]
    for block in parquet_blocks(path):
        for target in targets:
            if f"best_{target}" not in block:
                continue
            values = block[f"attribution_{target}"]
            kept = block[block[f"best_{target}"] & (values > 0)]
            rows = zip(
                kept["chrom"], kept["start"], kept["end"], kept["name"],
                kept[f"attribution_{target}"],
            )  # fmt: skip
            for chrom, start, end, name, value in rows:
                for i in overlaps.of(chrom, start, end):
                    found[i][name] = max(found[i].get(name, 0), value)
    return [", ".join(sorted(f, key=lambda name: (-f[name], name))[:4]) for f in found]


def _counted(path: Path, windows: Windows) -> np.ndarray:
    """Return how many variants of a table lie in each window."""
    overlaps, counts = _Overlaps(windows), np.zeros(len(windows), np.int64)
    seen: set[tuple[str, int, str]] = set()
    for block in parquet_blocks(path, ["chrom", "start", "end", "alt"]):
        for row in block.itertuples(index=False):
            key = (row.chrom, row.start, row.alt)
            if key not in seen:
                seen.add(key)
                for i in overlaps.of(row.chrom, row.start, row.end):
                    counts[i] += 1
    return counts


def _columns(plan: Plan, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return title, unit and kind of each column that the table shows."""
    scales = {t.name: UNITS[t.scale] for model in plan.models for t in plan.models[model].targets}
    shown = [{"field": "locus", "title": "region", "kind": "locus"}]
    # What a reader looks for first stands first: the place, and what was found in it.
    for name in sorted(table.columns, key=lambda c: c not in ("model", "motifs", "variants")):
        if name in ("chrom", "start", "end", "strand", "shown"):
            continue
        what, _, target = name.partition(": ")
        if target:
            unit = scales[target]
            shown.append({"field": name, "title": target, "group": f"{what}", "unit": unit,
                          "kind": "number"})  # fmt: skip
        else:
            kind = "count" if name == "variants" else "text"
            shown.append({"field": name, "title": name, "kind": kind})
    return shown


def _packed(table: pd.DataFrame) -> str:
    """Return the columns of the table as JSON, gzipped, in base64: 200,000 rows take 3 MB."""
    columns: dict[str, Any] = {}
    for name in table:
        values = table[name]
        if values.dtype == object or isinstance(values.dtype, pd.StringDtype):
            words = list(dict.fromkeys(values))
            number = {word: i for i, word in enumerate(words)}
            columns[name] = {"words": words, "at": [number[v] for v in values]}
        elif values.dtype.kind == "f":
            # Four digits: what a reader compares.
            plain = [None if np.isnan(v) else float(f"{v:.4g}") for v in values]
            columns[name] = {"values": plain}
        else:
            columns[name] = {"values": values.astype(int).tolist()}
    text = json.dumps(columns, separators=(",", ":"))
    return b64encode(gzip.compress(text.encode(), mtime=0)).decode()


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


def igv_track(track: BrowserTrack, folder: Path, places: Places | None) -> dict[str, Any]:
    """Return a track as igv.js takes it, with its data."""
    path = folder / track.path
    color = f"rgb({track.color})"
    options: dict[str, Any] = {"name": track.label, "color": color}
    if track.is_signal:
        options |= {"type": "wig", "format": "bigwig", "url": bigwig_uri(path, places)}
        options |= {"height": 90, "autoscale": True}
        return options | ({"graphType": "dynseq"} if track.as_letters else {})
    is_vcf = ".vcf" in path.suffixes
    options |= {"url": rows_uri(path, places), "format": "vcf" if is_vcf else "bed"}
    return options | {"type": "variant" if is_vcf else "annotation", "displayMode": "EXPANDED"}
