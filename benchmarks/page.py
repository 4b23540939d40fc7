"""The page of a run with many regions: how long its job takes, with how much memory, and how soon
it opens, sorts and filters in headless Chromium.

    python -m benchmarks.page [results/demo] [--regions N] [--keep FOLDER]

The folder is a finished run of the demo. The windows that it attributed, with what the run has in
and around them (bases, predictions, attributions, seqlets, hits), stand many times one after the
other in a genome of 20 chromosomes, as a run of the same layout, of which the job `report_page`
makes the page. Prints a table for benchmarks/SCALE.md. --keep: leaves the large run there, or uses
the one that is there.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml

from cisweep.bases import text_of
from cisweep.contracts import Windows, stored_name
from cisweep.jobs.attribute import write_attribution_track
from cisweep.jobs.predict import write_prediction_track
from cisweep.outputs.h5 import RowWriter, datasets, read_windows, region_rows
from cisweep.outputs.pairs import PairWriter, pair_kinds
from cisweep.outputs.tables import new_parquet
from cisweep.plan.page import page_figures, target_pages
from cisweep.plan.plan import Plan
from cisweep.scope import RunScope, TargetScope

ROOT = Path(__file__).resolve().parent.parent
N_CHROMS = 20
FLANK_BP = 250
"""Bases kept around the attributed windows; what the run has in them is kept too."""
OPENED = 5
"""How often the page is opened."""


# ---- The large run ------------------------------------------------------------------------------


class Copies:
    """Where the kept stretches of one chromosome come to lie, once and in each of the copies."""

    def __init__(self, windows: Windows, chrom_bp: int, n_regions: int):
        edges: list[list[int]] = []
        for start, end in sorted(zip(windows.start - FLANK_BP, windows.end + FLANK_BP)):
            if edges and start <= edges[-1][1]:
                edges[-1][1] = max(edges[-1][1], end)
            else:
                edges.append([start, end])
        self.start, self.end = np.clip(np.array(edges), 0, chrom_bp).T
        ends = np.cumsum(self.end - self.start)
        self.bp = int(ends[-1])
        self._at = np.concatenate([[0], ends[:-1]])
        self.per_chrom = -(-n_regions // (len(windows) * N_CHROMS))
        self.chroms = [f"chr{i + 1}" for i in range(N_CHROMS)]

    @property
    def lengths(self) -> dict[str, int]:
        """Chromosome -> bp of the large genome."""
        return {chrom: self.bp * self.per_chrom for chrom in self.chroms}

    def moved(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which spans lie in a kept stretch, and the new start of each of those."""
        i = np.searchsorted(self.start, start, side="right") - 1
        kept = (i >= 0) & (np.asarray(end) <= self.end[i])
        return kept, (np.asarray(start) - self.start[i] + self._at[i])[kept]

    def rows(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a chromosome of the large genome: which span each is of, its start."""
        kept, start = self.moved(start, end)
        at = np.repeat(np.arange(self.per_chrom) * self.bp, len(start))
        return np.tile(np.flatnonzero(kept), self.per_chrom), at + np.tile(start, self.per_chrom)


def _table(table: pd.DataFrame, copies: Copies):
    """Yield the rows of a table with chrom, start, end as they stand in each chromosome."""
    which, start = copies.rows(table["start"].to_numpy(), table["end"].to_numpy())
    rows = table.take(which)
    rows = rows.assign(end=start + (rows["end"] - rows["start"]).to_numpy(), start=start)
    for chrom in copies.chroms:
        yield rows.assign(chrom=chrom)


def _text(path: Path, out: Path, copies: Copies) -> None:
    """Write the copies of a TSV (with a head that names its places) or BED (without)."""
    is_bed = path.suffix == ".bed"
    options = {"sep": "\t", "keep_default_na": False, "dtype": str}
    table = pd.read_csv(path, header=None if is_bed else 0, **options)
    if is_bed:
        table = table.rename(columns={0: "chrom", 1: "start", 2: "end"})
    table = table.astype({"start": int, "end": int})
    for i, rows in enumerate(_table(table, copies)):
        rows.to_csv(
            out, sep="\t", index=False, header=not is_bed and i == 0, mode="a" if i else "w"
        )


def _parquet(path: Path, out: Path, copies: Copies) -> None:
    source = pq.read_table(path)
    with closing(new_parquet(out, source.schema)) as writer:
        for rows in _table(source.to_pandas(), copies):
            writer.write_table(source.from_pandas(rows, source.schema, preserve_index=False))


def _h5(path: Path, out: Path, copies: Copies) -> None:
    with h5py.File(path) as file:
        windows = read_windows(file)
        which, start = copies.rows(windows.start, windows.end)
        end = start + (windows.end - windows.start)[which]
        rows = {c.path: file[c.path][:] for c in datasets(file)}
        version = int(file.attrs["schema_version"])
        attrs = {k: getattr(v, "item", lambda v=v: v)() for k, v in file.attrs.items()}
        with RowWriter(out, datasets(file), attrs, version=version) as writer:
            for chrom in copies.chroms:
                given = region_rows(Windows.build([chrom] * len(start), start, end))
                for begin in range(0, len(start), 4096):
                    part = slice(begin, begin + 4096)
                    made = {path: values[which[part]] for path, values in rows.items()}
                    writer.append(made | {path: values[part] for path, values in given.items()})


def _pairs(path: Path, out: Path, copies: Copies, targets: list[str]) -> None:
    """Write copies of attributions, of whose windows each target has all."""
    with h5py.File(path) as file:
        windows, tokens = read_windows(file), file["tokens"][:]
        which, start = copies.rows(windows.start, windows.end)
        end = start + (windows.end - windows.start)[which]
        kinds = pair_kinds(file, targets[0])
        values = [
            {kind.path: file[f"{kind.path}/{stored_name(t)}"][:] for kind in kinds} for t in targets
        ]
        attrs = {k: getattr(v, "item", lambda v=v: v)() for k, v in file.attrs.items()}
        attrs.pop("schema_version")
        with PairWriter(out, tokens.shape[1], targets, kinds, attrs) as writer:
            for chrom in copies.chroms:
                for begin in range(0, len(start), 4096):
                    part = slice(begin, begin + 4096)
                    own, rows = which[part], np.arange(len(which[part]))
                    place = Windows.build([chrom] * len(own), start[part], end[part])
                    writer.append(
                        place,
                        tokens[own],
                        lambda i, own=own, rows=rows: (
                            rows, {kind: each[own] for kind, each in values[i].items()}
                        ),
                    )  # fmt: skip


def _genome(plan: Plan, chrom: str, out: Path, copies: Copies) -> None:
    parts = [plan.source.tokens(chrom, int(a), int(b)) for a, b in zip(copies.start, copies.end)]
    text = text_of(np.concatenate(parts)) * copies.per_chrom
    with open(out, "w") as fasta, open(f"{out}.fai", "w") as index:
        for name in copies.chroms:
            fasta.write(f">{name}\n")
            index.write(f"{name}\t{len(text)}\t{fasta.tell()}\t{len(text)}\t{len(text) + 1}\n")
            fasta.write(f"{text}\n")


def make(run: Path, folder: Path, n_regions: int) -> None:
    """Write the large run, without its page, into the folder."""
    config = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    small = Plan.from_config(config, ROOT)
    model = next(iter(small.models))
    with h5py.File(run / model / "attributions.h5") as file:
        windows = read_windows(file)
    (chrom,) = set(windows.chrom)
    copies = Copies(windows, small.source.lengths[chrom], n_regions)
    _genome(small, chrom, folder / "genome.fa", copies)
    config |= {"genome": {"fasta": str(folder / "genome.fa")}, "run": "large"}
    config["regions"] |= {"chroms": "chr.*"}
    (folder / "config.json").write_text(json.dumps(config))
    plan, large = _plan(folder), folder / "results/large"
    tracks = []
    for path in [*plan.products(), "dropped_regions.tsv", "provenance.json"]:
        name = path.removeprefix(f"{plan.results}/")
        source, out = run / name, large / name
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix in (".bed", ".tsv"):
            has_places = out.suffix == ".bed" or "\tstart\t" in source.open().readline()
            if has_places and name != "dropped_regions.tsv":
                _text(source, out, copies)
            else:
                out.write_bytes(source.read_bytes())
        elif "/export/" in name:
            continue  # the page only lists them
        elif out.name == "attributions.h5":
            _pairs(source, out, copies, plan.models[model].target_names)
        elif out.suffix in (".parquet", ".h5"):
            {".parquet": _parquet, ".h5": _h5}[out.suffix](source, out, copies)
        elif out.suffix == ".bw":
            tracks.append(out)
        elif source.exists() and out.suffix != ".html":
            out.write_bytes(source.read_bytes())
    for out in tracks:
        target, kind = out.name.split(".")[:2]
        of = TargetScope(plan=plan, model=model, target=target)
        if kind == "pred":
            write_prediction_track(of, large / model / "predictions.h5", "", out)
        else:
            write_attribution_track(of, large / model / "attributions.h5", out)


def _plan(folder: Path) -> Plan:
    os.chdir(folder)
    return Plan.from_config(json.loads((folder / "config.json").read_text()), ROOT)


# ---- What is measured ---------------------------------------------------------------------------


def child(folder: Path) -> None:
    """Make the page, as its job does, and print what it took."""
    from cisweep.jobs.report import report_page

    plan = _plan(folder)
    run, began = folder / "results/large", time.perf_counter()
    at = [run / "dropped_regions.tsv", run / "provenance.json", run / "report.html"]
    figures = {Path(path).name: run / path for path in page_figures(plan)}
    for path in figures.values():
        path.parent.mkdir(exist_ok=True)
    targets = {Path(path).name: run / path for path in target_pages(plan)}
    report_page(RunScope(plan=plan), *at, figures, targets)
    wall, cpu = time.perf_counter() - began, time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps({"wall": wall, "cpu": cpu, "mb": peak}))


def opened(page: Path) -> dict[str, float]:
    """Return median seconds until the page can be used, and of what a reader does there."""
    from playwright.sync_api import sync_playwright

    found: list[dict[str, float]] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        for _ in range(OPENED):
            context = browser.new_context(
                viewport={"width": 1400, "height": 900}, offline=True, accept_downloads=True
            )
            found.append(_of_reader(context.new_page(), page))
            context.close()
        browser.close()
    return {what: statistics.median(each[what] for each in found) for what in found[0]}


def _of_reader(page: Any, path: Path) -> dict[str, float]:
    seconds = {}

    def took(what: str, act, until: str) -> None:
        start = time.perf_counter()
        act()
        page.wait_for_function(until, timeout=120_000)
        seconds[what] = time.perf_counter() - start

    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
    count = "document.querySelector('.explorer-count').textContent"
    took(
        "text to read",
        lambda: page.goto(path.as_uri(), wait_until="commit"),
        "document.getElementById('origin') && performance.getEntriesByType('paint').length > 0",
    )
    start = time.perf_counter()
    page.wait_for_selector("#explorer[data-ready]", timeout=120_000)
    seconds["explorer ready"] = seconds["text to read"] + time.perf_counter() - start
    # Of the processor's time only: what other programs of the machine do does not count.
    seconds["explorer ready, CPU of the page's thread"] = _task_seconds(cdp)
    everything = page.evaluate(count)
    column = page.locator('.tabulator-col[tabulator-field^="prediction: "]').first
    took("sort", column.locator(".tabulator-col-title").click, "true")
    field = page.locator('.tabulator-col[tabulator-field="locus"] input')

    def search() -> None:
        field.fill("chr7:100,000-200,000")
        field.press("End")

    took("search", search, f"{count} !== {json.dumps(everything)}")

    def follow() -> None:
        page.evaluate("location.hash = '#chr3:1,000-1,200'")

    took(
        "deep link",
        follow,
        "document.querySelector('.explorer-status').textContent.includes('chr3:1,000')",
    )
    return seconds


def _task_seconds(cdp: Any) -> float:
    metrics = cdp.send("Performance.getMetrics")["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "TaskDuration")


def _measure(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.page", "--child", str(folder)],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    made = json.loads(done.stdout.splitlines()[-1])
    page = folder / "results/large/report.html"
    print("| what | |\n|---|---|")
    print(f"| the job, s of CPU (of the wall) | {made['cpu']:.1f} ({made['wall']:.1f}) |")
    print(f"| the job, peak MB | {made['mb']:.0f} |")
    print(f"| the page, MB | {page.stat().st_size / 1e6:.1f} |")
    for what, seconds in opened(page).items():
        print(f"| {what}, s | {seconds:.2f} |")


def main() -> None:
    """Make the large run and measure its page."""
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=ROOT / "results/demo")
    parser.add_argument("--regions", type=int, default=200_000)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    run = given.run.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "config.json").exists():
            make(run, folder, given.regions)
        _measure(folder)


if __name__ == "__main__":
    main()
