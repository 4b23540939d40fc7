"""Time and memory of motif discovery: `python -m benchmarks.discover [seqlets …]`, DISCOVER.md.

Regions of 400 bp with planted CTCF and PU.1 sites, whose hypothetical attributions are the sites'
log-odds over Laplace noise. As many seqlets are clustered as the line says (max_seqlets); each line
is a process of its own with one thread, which does what the rule's job does between reading and
drawing; half a minute of it is numba, which compiles tf-modiscolite's functions in each process.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.run import machine

ROOT = Path(__file__).resolve().parent.parent
MOTIFS = ROOT / "workflow" / "resources" / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme"
PAGE, LENGTH = Path(__file__).parent / "DISCOVER.md", 400


def planted(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one-hot int8 and hypothetical attributions float32 (n, 4, LENGTH), a site each."""
    from cisweep.genome.motifs import load_motifs

    rng, known = np.random.default_rng(0), load_motifs(MOTIFS)
    sites = [next(m.pwm for m in known if m.alt.upper() == name) for name in ("CTCF", "SPI1")]
    tokens = rng.integers(0, 4, (n, LENGTH))
    scores = rng.laplace(0, 0.01, (n, 4, LENGTH)).astype(np.float32)
    for i in range(n):
        pwm = sites[i % 2]
        width, start = pwm.shape[1], rng.integers(20, LENGTH - 50)
        span = slice(start, start + width)
        tokens[i, span] = [rng.choice(4, p=column / column.sum()) for column in pwm.T]
        scores[i, :, span] += rng.uniform(0.05, 0.15) * np.log2(np.maximum(pwm, 1e-2) / 0.25)
    return np.eye(4, dtype=np.int8)[tokens].transpose(0, 2, 1), scores


def one(seqlets: int) -> dict:
    """Return what one discovery took; a fifth more regions than seqlets, which then fill up."""
    from cisweep.analysis.motifs.discover import DiscoveryOptions, discover_motifs, found_table
    from cisweep.genome.motifs import load_motifs

    one_hot, scores = planted(seqlets * 6 // 5)
    options, start = DiscoveryOptions(max_seqlets=seqlets), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        patterns = discover_motifs(one_hot, scores, Path(folder) / "m.h5", options).patterns
    table = found_table(patterns, load_motifs(MOTIFS))
    return {
        "seqlets": seqlets,
        "regions": len(scores),
        "seconds": time.process_time() - start,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "found": ", ".join(f"{r.motif} {r.n_seqlets:,}" for r in table.itertuples()),
    }


def main(sizes: list[int]) -> None:
    """Measure and write."""
    rows = []
    for size in sizes:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.discover", "--one", str(size)],
            cwd=ROOT,
            env=os.environ | dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
            capture_output=True,
            text=True,
            check=True,
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    write(rows)


def write(rows: list[dict]) -> None:
    """Write the page."""
    lines = [
        f"| {r['seqlets']:,} | {r['regions']:,} | {r['seconds']:.0f} | {r['mb']:.0f} | "
        f"{r['found']} |"
        for r in rows
    ]
    PAGE.write_text(
        "# Motif discovery\n\nRepeat: `python -m benchmarks.discover`.\n\n"
        f"Machine: {machine()}.\n\n{__doc__.split(chr(10), 2)[2].strip()}\n\n"
        "| seqlets | regions | CPU seconds | peak MB | found |\n|---|---|---|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(int(sys.argv[2]))))
    else:
        main([int(n) for n in sys.argv[1:]] or [500, 1000, 2000])
