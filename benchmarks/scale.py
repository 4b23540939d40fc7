"""Planning and predictions of large runs: CPU seconds and peak memory, each in its own process.

    python -m benchmarks.scale [parse|peaks|contigs|predictions|select|plan ...]
                               [--rows N] [--contigs N] [--windows N] [--chunks N]

Prints a table for benchmarks/SCALE.md. Without names all are measured. The genome of `parse` and
`peaks` has the lengths of hg38 and is a sparse file: planning reads its index alone.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "workflow/resources/models/ctcf_pu1.yaml"
ID = "ctcf_pu1"
HG38_MB = (
    *(249, 242, 198, 190, 182, 171, 159, 145, 138, 134, 135, 133, 114, 107, 102, 90, 83, 80),
    *(59, 64, 47, 51, 156, 57),
)


# ---- what is measured, in a process of its own ---------------------------------------------------


def parse(folder: Path) -> dict[str, Any]:
    """Make the plan and the key of one chunk, as a chunk's job does."""
    plan = _plan(folder)
    return {"chunks": len(plan.chunks(ID)), "key": plan.chunk_key(ID, plan.chunks(ID)[0])}


def peaks(folder: Path) -> dict[str, Any]:
    """Read the peaks of one chunk, as a job behind the selection does."""
    from cisweep.plan.chunk_windows import selected_windows

    return {
        "peaks of a chunk": len(selected_windows(_plan(folder), ID, "c000003", folder / "r.bed"))
    }


def contigs(folder: Path) -> dict[str, Any]:
    """Find the chunks of a genome of many contigs, and the key of each."""
    plan = _plan(folder)
    return {"chunks": len([plan.chunk_key(ID, chunk) for chunk in plan.chunks(ID)])}


def predictions(folder: Path) -> dict[str, Any]:
    """Merge the predictions of chunks."""
    from cisweep.outputs.predictions import merge_predictions

    parts = sorted(folder.glob("part*.h5"))
    n = merge_predictions(parts, folder / "merged.h5", {})
    return {"bytes a window": round((folder / "merged.h5").stat().st_size / n, 1)}


def select(folder: Path) -> dict[str, Any]:
    """Choose peaks by a threshold that half of all windows pass, and by no number."""
    from cisweep.jobs.select import select_peaks
    from cisweep.scope import ModelScope

    products = [folder / name for name in ("peaks.bed", "peaks.tsv", "summary.tsv")]
    select_peaks(ModelScope(plan=_plan(folder), model=ID), folder / "merged.h5", [], *products)
    with open(products[1], "rb") as file:
        return {"rows of peaks.tsv": sum(1 for _ in file) - 1}


def plan(folder: Path) -> dict[str, Any]:
    """Plan all jobs: `snakemake -n`, all steps of a run on."""
    from snakemake.cli import main

    os.chdir(folder)
    arguments = ["-s", str(ROOT / "Snakefile"), "--configfile", "config.json", "--cores", "1"]
    sys.argv = ["snakemake", *arguments, "-n", "--quiet"]
    try:
        main()
    except SystemExit as end:
        return {"exit code": end.code}
    return {}


def _plan(folder: Path) -> Any:
    from cisweep.plan.plan import Plan

    return Plan.from_config(json.loads((folder / "config.json").read_text()), ROOT)


# ---- what they read ------------------------------------------------------------------------------


def sparse_genome(folder: Path, lengths: Mapping[str, int]) -> Path:
    """Write a FASTA without bases between its headers, and its index; planning reads that alone."""
    at, rows = 0, []
    with open(folder / "genome.fa", "wb") as file:
        for name, bp in lengths.items():
            file.write(f">{name}\n".encode())
            at += len(name) + 2
            rows.append(f"{name}\t{bp}\t{at}\t{bp}\t{bp + 1}\n")
            file.seek(at + bp - 1)
            file.write(b"A\n")
            at += bp + 1
    (folder / "genome.fa.fai").write_text("".join(rows))
    return folder / "genome.fa"


def _config(folder: Path, regions: dict[str, Any], chunk_bp: int, **more: Any) -> None:
    config = {
        "run": "scale",
        "genome": {"fasta": str(folder / "genome.fa")},
        "regions": regions,
        "models": {ID: str(MODEL)},
        "chunk_bp": chunk_bp,
        "steps": {"predict": {}},
    }
    (folder / "config.json").write_text(json.dumps(config | more))


def _rows(folder: Path, n: int) -> None:
    lengths = {f"chr{i + 1}": mb * 1_000_000 for i, mb in enumerate(HG38_MB)}
    sparse_genome(folder, lengths)
    rng, total = np.random.default_rng(0), sum(HG38_MB)
    with open(folder / "r.bed", "w") as file:
        for name, bp in lengths.items():
            start = np.sort(rng.integers(3000, bp - 6000, n * bp // 1_000_000 // total)).tolist()
            rows = (f"{name}\t{s}\t{s + 200}\t{name}_{i}\t0\t+\n" for i, s in enumerate(start))
            file.write("".join(rows))
    _config(folder, {"bed": str(folder / "r.bed")}, 20_000_000)


def _contigs(folder: Path, n: int) -> None:
    sparse_genome(folder, {f"contig{i}": 2_000 for i in range(n)})
    _config(folder, {"tile": {"stride_bp": 100}}, 2 * n)  # a thousand bins


def _parts(folder: Path, n: int) -> None:
    from cisweep.contracts import Windows
    from cisweep.outputs.predictions import PredictionWriter

    rng, own = np.random.default_rng(0), n // 10
    for part in range(10):
        start = 100 * np.arange(part * own, (part + 1) * own)
        windows = Windows.build(["chr1"] * own, start, start + 200)
        values = rng.normal(-4, 2, (own, 2)).astype(np.float32)
        with PredictionWriter(folder / f"part{part}.h5", windows, ["ctcf", "pu1"], {}) as writer:
            writer.append(windows, values, 0 * values)


def _merged(folder: Path, n: int) -> None:
    from cisweep.outputs.predictions import merge_predictions

    _parts(folder, n)
    merge_predictions(sorted(folder.glob("part*.h5")), folder / "merged.h5", {})
    sparse_genome(folder, {"chr1": 100 * n + 1000})
    steps = {"predict": {}, "select": {"fdr": None, "threshold": -4.0, "null_windows": 0}}
    _config(folder, {"tile": {"stride_bp": 100}}, 2_000_000, steps=steps)


def _chunks(folder: Path, n: int) -> None:
    sparse_genome(folder, {"chr1": 10_000 * n})
    motifs = ROOT / "workflow/resources/motifs/JASPAR2026_CORE_vertebrates_nr.meme"
    steps = {name: {} for name in ("predict", "select", "attribute", "seqlets", "hits", "report")}
    _config(folder, {"tile": {"stride_bp": 100}}, 10_000, steps=steps, motifs=str(motifs))


_MEASURED: dict[str, tuple[Callable[[Path], dict[str, Any]], Callable[[Path, int], None], str]] = {
    "parse": (parse, _rows, "rows"),
    "peaks": (peaks, _rows, "rows"),
    "contigs": (contigs, _contigs, "contigs"),
    "predictions": (predictions, _parts, "windows"),
    "select": (select, _merged, "windows"),
    "plan": (plan, _chunks, "chunks"),
}


def _measure(name: str, n: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        _MEASURED[name][1](Path(folder), n)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scale", "--child", name, folder],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    told = ", ".join(f"{key} {value}" for key, value in found.pop("found").items())
    size = f"{n:,} {_MEASURED[name][2]}"
    return f"| {name} | {size} | {found['seconds']:.1f} | {found['mb']:.0f} | {told} |"


def _child(name: str, folder: str) -> None:
    found = _MEASURED[name][0](Path(folder))
    # With the imports, which every job pays.
    seconds, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps({"found": found, "seconds": seconds, "mb": peak}))


def main() -> None:
    """Measure what the command line names."""
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("names", nargs="*", metavar="name")
    usual = {"rows": 1_000_000, "contigs": 100_000, "windows": 1_000_000, "chunks": 2_000}
    for what, number in usual.items():
        parser.add_argument(f"--{what}", type=int, default=number)
    given = parser.parse_args()
    print("| what | size | CPU s | peak MB | |\n|---|---|---|---|---|")
    for name in given.names or _MEASURED:
        print(_measure(name, getattr(given, _MEASURED[name][2])), flush=True)


if __name__ == "__main__":
    main()
