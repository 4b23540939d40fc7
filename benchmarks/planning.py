"""The plan of a run of many chunks: `snakemake -n`, its CPU seconds, peak memory, and jobs by rule.

    python -m benchmarks.planning [--chunks 100 1000 10000] [--rows N] [--profile FILE]
    python -m benchmarks.planning --slurm-job [--rows N]

Prints a table for benchmarks/SCALE.md. The genome has the lengths of hg38 and is a sparse file:
planning reads its index alone. Its regions are tiles, or the rows of a BED (--rows). --profile
keeps what cProfile saw of the last size. --slurm-job runs the command that Snakemake's executor for
Slurm submits, for a rule that counts one peak, with an srun that starts its command here: two
Snakemakes, one in the other, and the script.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.scale import HG38_MB, ID, MODEL, ROOT, _rows, sparse_genome

LENGTHS = {f"chr{i + 1}": mb * 1_000_000 for i, mb in enumerate(HG38_MB)}
STEPS = ("predict", "select", "attribute", "seqlets", "hits", "report")
_CHILD = """
import json, resource, sys, time
from snakemake.cli import main
from snakemake.dag import DAG
sys.argv[0] = "snakemake"
built, stats = [], DAG.stats  # which is asked for once the plan is made
DAG.stats = lambda dag: built.append(time.process_time()) or stats(dag)
try:
    main()
except SystemExit as end:
    code = end.code
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
found = {"code": code or 0, "built": built[0] if built else 0, "seconds": time.process_time()}
print(json.dumps(found | {"mb": peak}))
"""


def planned(folder: Path, n_chunks: int, n_rows: int = 0, profile: str = "") -> dict[str, Any]:
    """Return what a dry run over about `n_chunks` chunks costs, and its jobs by rule.

    built: CPU seconds until the plan is made; seconds: until all its jobs are printed too.
    """
    _write_run(folder, sum(LENGTHS.values()) // n_chunks, n_rows)
    start = ["-c", _CHILD]
    if profile:
        start = ["-m", "cProfile", "-o", profile, "-m", "snakemake"]
    options = ["-s", str(ROOT / "Snakefile"), "--configfile", "config.json", "--cores", "1", "-n"]
    done = subprocess.run(
        [sys.executable, *start, *options, "--quiet", "rules"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    last = (done.stdout.strip().splitlines() or [""])[-1]
    found = json.loads(last) if last.startswith("{") else {"code": done.returncode}
    if found["code"]:
        raise RuntimeError(done.stderr[-3000:])
    rows = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    return found | {"jobs": {rule: int(n) for rule, n in rows}}


def _write_run(folder: Path, chunk_bp: int, n_rows: int) -> None:
    regions: dict[str, Any] = {"tile": {"stride_bp": 1000}}
    if n_rows:
        _rows(folder, n_rows)
        regions = {"bed": str(folder / "r.bed")}
    else:
        sparse_genome(folder, LENGTHS)
    config = {
        "run": "scale",
        "genome": {"fasta": str(folder / "genome.fa")},
        "regions": regions,
        "models": {ID: str(MODEL)},
        "motifs": str(ROOT / "workflow/resources/motifs/JASPAR2026_CORE_vertebrates_nr.meme"),
        "chunk_bp": chunk_bp,
        "steps": {name: {} for name in STEPS},
    }
    (folder / "config.json").write_text(json.dumps(config))


def slurm_job(folder: Path, n_rows: int) -> tuple[float, float]:
    """Return CPU seconds and peak MB of a trivial job as Slurm runs it, all its processes."""
    _write_run(folder, 310_000, n_rows)
    peaks = folder / "results" / "scale" / ID / "peaks.bed"
    peaks.parent.mkdir(parents=True)
    peaks.write_text("chr1\t10000\t10200\tpeak\t1\t.\n")
    srun = folder / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n')
    srun.chmod(0o755)
    options = (
        f"--target-jobs seqlets_null_size:model={ID} --allowed-rules seqlets_null_size --cores all "
        "--attempt 1 --force-use-threads --force --target-files-omit-workdir-adjustment "
        "--max-inventory-time 0 --retries 0 --nocolor --no-hooks --nolock --ignore-incomplete "
        "--scheduler greedy --configfiles config.json --executor slurm-jobstep --jobs 1 "
        "--mode remote"
    )
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    path = f"{srun.parent}:{os.environ['PATH']}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*command, *options.split()],
        cwd=folder,
        env=os.environ | {"PATH": path, "SLURM_JOB_ID": "1"},
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, after.ru_maxrss / 1024


def main() -> None:
    """Plan runs of the sizes that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--profile", default="")
    parser.add_argument("--slurm-job", action="store_true")
    given = parser.parse_args()
    if given.slurm_job:
        with tempfile.TemporaryDirectory() as folder:
            seconds, mb = slurm_job(Path(folder), given.rows)
        print(f"a trivial Slurm job: {seconds:.1f} CPU s, {mb:.0f} MB")
        return
    print("| chunks | jobs | jobs a chunk | CPU s | printed | peak MB | jobs of chunks |")
    print("|---|---|---|---|---|---|---|")
    for n in given.chunks:
        with tempfile.TemporaryDirectory() as folder:
            found = planned(Path(folder), n, given.rows)
            if given.profile and n == given.chunks[-1]:
                planned(Path(folder), n, given.rows, given.profile)
        jobs = found["jobs"]
        chunks, total = jobs["predict_chunk"], jobs.pop("total")
        told = ", ".join(f"{rule} {n:,}" for rule, n in jobs.items() if rule.endswith("_chunk"))
        print(
            f"| {chunks:,} | {total:,} | {total / chunks:.1f} | {found['built']:.1f} "
            f"| {found['seconds']:.1f} | {found['mb']:.0f} | {told} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
