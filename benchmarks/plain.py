"""A whole run beside the script that a user would write.

    python -m benchmarks.plain FASTA CHROM START END [CORES] [--top-n N]

Both work on the same windows (200 bp, each 100 bp), peaks, number of references and motifs. CPU is
user and system time of all processes, Snakemake's among them; the workflow's part holds what the
script lacks too: the nulls of peaks and seqlets, q-values, names, ranking, browser files and page.
--top-n: explain the N strongest peaks of each target, whatever their rate; without it those that
pass the demo's rate, which may be few.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pysam
import yaml

ROOT = Path(__file__).resolve().parent.parent
DEMO = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Run a command to its end; return the CPU seconds of it and all its children."""
    before = os.times()
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    subprocess.run(command, check=True, cwd=folder, env=os.environ | one)
    after = os.times()
    return sum(after[i] - before[i] for i in (2, 3))


def by_rule(results: Path) -> dict[str, float]:
    """Return rule -> CPU seconds of its jobs, as Snakemake's benchmarks have it."""
    found: dict[str, float] = {}
    base = results / "benchmarks"
    for path in base.rglob("*.tsv"):
        rule = path.relative_to(base).parts[0].removesuffix(".tsv")
        last = pd.read_csv(path, sep="\t", na_values=["NA", "-"]).iloc[-1]
        found[rule] = found.get(rule, 0.0) + float(last["cpu_time"])
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def main(fasta: str, chrom: str, start: int, end: int, cores: int, top_n: int | None) -> dict:
    """Measure both once; return peaks, seconds, their ratio, and the seconds of each rule."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The stretch alone, as a genome of its own, so that both look at the same bases.
        with pysam.FastaFile(fasta) as file:
            sequence = file.fetch(chrom, start, end)
        (folder / "part.fa").write_text(f">{chrom}\n{sequence}\n")
        pysam.faidx(str(folder / "part.fa"))
        config = DEMO | {"genome": {"fasta": str(folder / "part.fa")}, "run": "plain"}
        config["regions"] = DEMO["regions"] | {"chroms": chrom}
        if top_n:
            config["steps"] = DEMO["steps"] | {"select": {"fdr": None, "top_n": top_n}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        workflow = cpu_seconds(
            [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--configfile",
             "config.yaml", "--cores", str(cores), "--quiet", "all"], folder,
        )  # fmt: skip
        results = folder / "results" / "plain"
        peaks = results / "ctcf_pu1" / "peaks.bed"
        script = cpu_seconds(
            [sys.executable, str(ROOT / "benchmarks" / "plain_script.py"), "part.fa", chrom, "0",
             str(end - start), str(peaks), "out"], folder,
        )  # fmt: skip
        n_peaks, rules = len(peaks.read_text().splitlines()), by_rule(results)
    found = {"workflow": workflow, "script": script, "ratio": script / workflow}
    return {"peaks": n_peaks, **found, "rules": rules}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fasta")
    parser.add_argument("chrom")
    parser.add_argument("start", type=int)
    parser.add_argument("end", type=int)
    parser.add_argument("cores", type=int, nargs="?", default=2)
    parser.add_argument("--top-n", type=int)
    print(json.dumps(main(**vars(parser.parse_args())), indent=1))
