"""A whole run by the number of targets: CPU seconds, peak memory, jobs and bytes of each step.

    python -m benchmarks.targets FASTA CHROM START END [N:TOP ...] [--dry N ...] [--cores N]

N:TOP is a network of N targets, of each of which the TOP strongest peaks are explained (default
2:1000 50:40). The network is the demo's with random weights, the windows are the demo's (200 bp,
each 100 bp), the steps predict, select, attribute, seqlets, hits and the page. --dry: the number of
jobs, and the seconds of a dry run, for so many targets. Prints a table for benchmarks/SCALE.md.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pysam
import torch
import yaml
from safetensors.torch import save_file

from benchmarks.plain import DEMO, ROOT
from cisweep.models import CNN

STEPS = ("predict", "select", "attribute", "seqlets", "hits", "report")
NETWORK = {"n_filters": 48, "first_width": 19, "dilations": [2, 4, 8], "pooling": "max"}


def write_run(folder: Path, genome: Path, n_targets: int, top_n: int) -> None:
    """Write model, targets and config of a run into a folder."""
    torch.manual_seed(n_targets)
    save_file(CNN(**NETWORK, n_outputs=n_targets).state_dict(), folder / "net.safetensors")
    rows = [f"t{i}\t{i}\tgroup{i % 8}\n" for i in range(n_targets)]
    (folder / "targets.tsv").write_text("name\tindex\tgroup\n" + "".join(rows))
    model = {
        "adapter": "state_dict",
        "module": "CNN",
        "module_args": NETWORK | {"n_outputs": n_targets},
        "window_bp": 200,
        "targets": {"table": "targets.tsv", "name": "name", "scale": "logit"},
        "rc": {"average": True},
        "folds": [{"weights": "net.safetensors", "test_chroms": []}],
    }
    (folder / "net.yaml").write_text(yaml.safe_dump(model))
    config = DEMO | {
        "run": "targets",
        "genome": {"fasta": str(genome)},
        "models": {"net": str(folder / "net.yaml")},
        "regions": {key: value for key, value in DEMO["regions"].items() if key != "chroms"},
        "steps": DEMO["steps"]
        | {"select": {"fdr": None, "top_n": top_n}, "attribute": {"n_references": 20}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def snakemake(folder: Path, *options: str) -> str:
    """Run the workflow in a folder; return what it printed. Raises with its last lines."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--configfile",
         "config.yaml", *options], cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError("\n".join((done.stdout + done.stderr).splitlines()[-30:]))
    return done.stdout + done.stderr


def step_of(rule: str) -> str:
    """Return the step of a rule, `other` for those of none."""
    return next((step for step in STEPS if rule == step or rule.startswith(step + "_")), "other")


def by_step(results: Path) -> dict[str, dict[str, float]]:
    """Return step -> jobs, CPU seconds and largest MB of its jobs, of Snakemake's benchmarks."""
    found: dict[str, dict[str, float]] = {}
    base = results / "benchmarks"
    for path in base.rglob("*.tsv"):
        rule = path.relative_to(base).parts[0].removesuffix(".tsv")
        last = pd.read_csv(path, sep="\t", na_values=["NA", "-"]).iloc[-1]
        one = found.setdefault(step_of(rule), {"jobs": 0, "cpu": 0.0, "mb": 0.0})
        one["jobs"] += 1
        one["cpu"] += float(last["cpu_time"])
        one["mb"] = max(one["mb"], float(last["max_rss"]))
    return found


def bytes_of(results: Path) -> dict[str, int]:
    """Return what takes most of the disk: folder or file of a model -> bytes."""
    found: dict[str, int] = {}
    for path in results.rglob("*"):
        if path.is_file():
            parts = path.relative_to(results).parts
            name = "/".join(parts[1:3]) if "chunks" in parts else parts[min(1, len(parts) - 1)]
            found[name] = found.get(name, 0) + path.stat().st_size
    return dict(sorted(found.items(), key=lambda item: -item[1])[:8])


def measured(genome: Path, n_targets: int, top_n: int, cores: int) -> dict[str, Any]:
    """Run the workflow once; return its peaks, jobs, seconds, memory and bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, genome, n_targets, top_n)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        snakemake(folder, "--cores", str(cores), "--quiet", "all")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        results = folder / "results" / "targets"
        return {
            "pairs": len((results / "net" / "peaks.tsv").read_text().splitlines()) - 1,
            "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "page_mb": (results / "report.html").stat().st_size / 1e6,
            "steps": by_step(results),
            "bytes": bytes_of(results),
        }


def planned(genome: Path, n_targets: int) -> tuple[int, float]:
    """Return the jobs of a dry run with so many targets, and its seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, genome, n_targets, 20)
        begin = time.monotonic()
        printed = snakemake(folder, "--cores", "1", "-n", "--quiet", "rules")
        seconds = time.monotonic() - begin
    total = next(line for line in printed.splitlines() if line.startswith("total"))
    return int(total.split()[1]), seconds


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the runs as a table of steps: CPU seconds, MB and jobs of each."""
    names = [*STEPS, "other"]
    lines = ["| run | pairs | CPU s | page MB | " + " | ".join(names) + " |"]
    lines.append("|---" * (4 + len(names)) + "|")
    for run, found in rows.items():
        cells = []
        for step in names:
            one = found["steps"].get(step, {"cpu": 0, "mb": 0, "jobs": 0})
            cells.append(f"{one['cpu']:.0f} s, {one['mb']:.0f} MB, {one['jobs']} jobs")
        head = f"| {run} | {found['pairs']:,} | {found['cpu']:.0f} | {found['page_mb']:.1f} | "
        lines.append(head + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(args: Sequence[str] | None = None) -> None:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fasta")
    parser.add_argument("chrom")
    parser.add_argument("start", type=int)
    parser.add_argument("end", type=int)
    parser.add_argument("sizes", nargs="*", default=["2:1000", "50:40"], metavar="N:TOP")
    parser.add_argument("--dry", type=int, nargs="*", default=[])
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args(args)
    with tempfile.TemporaryDirectory() as name:
        genome = Path(name) / "part.fa"
        with pysam.FastaFile(given.fasta) as file:
            sequence = file.fetch(given.chrom, given.start, given.end)
        genome.write_text(f">{given.chrom}\n{sequence}\n")
        pysam.faidx(str(genome))
        rows = {}
        for size in given.sizes:
            n_targets, top_n = map(int, size.split(":"))
            rows[size] = measured(genome, n_targets, top_n, given.cores)
            print(size, rows[size]["bytes"], flush=True)
        if rows:
            print(table(rows))
        for n_targets in given.dry:
            jobs, seconds = planned(genome, n_targets)
            print(f"| {n_targets:,} targets | {jobs} jobs | {seconds:.1f} s |", flush=True)


if __name__ == "__main__":
    main()
