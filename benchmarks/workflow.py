"""Wall time, overhead and memory of whole runs: `python -m benchmarks.workflow`, WORKFLOW.md.

Overhead is the wall time of the demo's workflow over two regions, in as many chunks: the same jobs
with next to nothing to do. Memory is the largest max_rss of a rule's jobs, of a run and of one with
ten times as many regions at equal chunk_bp.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pysam
import yaml

from benchmarks.run import machine

ROOT = Path(__file__).resolve().parent.parent
RESOURCES = ROOT / "workflow" / "resources"
DEMO = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())


def run(folder: Path, config: dict) -> float:
    """Run the workflow and return the wall seconds."""
    folder.mkdir(parents=True)
    (folder / "overlay.yaml").write_text(yaml.safe_dump(config))
    start = time.monotonic()
    subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")),
            *("--directory", str(folder), "--configfile", str(folder / "overlay.yaml")),
            *("--cores", "2", "--quiet", "all"),
        ],
        check=True,
    )
    return time.monotonic() - start


def jobs(folder: Path) -> pd.DataFrame:
    """Return rule, seconds and max_rss of each job."""
    base = folder / "results" / "demo" / "benchmarks"
    rows = []
    for path in base.rglob("*.tsv"):
        last = pd.read_csv(path, sep="\t", na_values=["NA", "-"]).iloc[-1]
        rows.append(
            (path.relative_to(base).parts[0].removesuffix(".tsv"), last["s"], last["max_rss"])
        )
    return pd.DataFrame(rows, columns=["rule", "seconds", "mb"])


def genome(folder: Path, length_bp: int) -> Path:
    """Write the first bases after the demo genome's N, indexed."""
    with pysam.FastaFile(str(RESOURCES / "genome" / "chr20_0_1Mb.fa.gz")) as source:
        sequence = source.fetch("chr20", 60_000, 60_000 + length_bp)
    path = folder / f"genome_{length_bp}.fa"
    path.write_text(f">chr20\n{sequence}\n")
    pysam.faidx(str(path))
    return path


def main() -> None:
    """Run all and write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wall = run(folder / "demo", DEMO)
        whole = jobs(folder / "demo")
        bed = folder / "two.bed"
        bed.write_text("chr20\t300000\t300200\nchr20\t700000\t700200\n")
        idle = run(
            folder / "idle",
            DEMO | {"regions": {"bed": str(bed)}, "steps": DEMO["steps"] | {"select": None}},
        )
        memory = {}
        for length in (90_000, 900_000):
            config = DEMO | {
                "genome": {"fasta": str(genome(folder, length))},
                "regions": {"tile": {"stride_bp": 100}},
                "chunk_bp": 90_000,
                "steps": {"predict": {}, "attribute": {"n_references": 2}},
            }
            run(folder / str(length), config)
            memory[length] = jobs(folder / str(length)).groupby("rule")["mb"].max()
    times = whole.groupby("rule").agg(
        jobs=("seconds", "size"), seconds=("seconds", "sum"), mb=("mb", "max")
    )
    lines = [
        f"| {r} | {int(x.jobs)} | {x.seconds:.1f} | {x.mb:.0f} |"
        for r, x in times.sort_values("seconds", ascending=False).iterrows()
    ]
    small, large = memory[90_000], memory[900_000]
    ram = [
        f"| {r} | {small[r]:.0f} | {large[r]:.0f} |"
        for r in small.index
        if r in large and large[r] > 0
    ]
    (ROOT / "benchmarks" / "WORKFLOW.md").write_text(
        "# The workflow as a whole\n\nRepeat: `python -m benchmarks.workflow`.\n\n"
        f"Machine: {machine()}.\n\nThe demo (2 cores): **{wall:.0f} s** wall, goal 180 s. "
        "The same jobs over two "
        f"regions, which is Snakemake's overhead and imports: **{idle:.0f} s**, goal 60 s.\n\n"
        "| rule | jobs | seconds, summed | peak MB |\n|---|---|---|---|\n"
        + "\n".join(lines)
        + "\n\nPeak memory (MB) of a job with 900 and with 9,000 regions (1 and 10 chunks):\n\n"
        "| rule | 900 | 9,000 |\n|---|---|---|\n" + "\n".join(ram) + "\n"
    )


if __name__ == "__main__":
    main()
