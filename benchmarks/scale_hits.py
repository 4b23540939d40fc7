"""Jobs of motif hits: a chunk of human chromosome 20 with windows and attributions drawn at random.

    python -m benchmarks.scale_hits {hits,sweep,gather,attribute} [size ...]

prints CPU (user and system time) and memory (largest resident set) of a job in a process of its own
by size: Mb, of `gather` chunks.

Windows of 200 bp lie where predicted peaks would, about 440 in a megabase. The rival is memelite's
`fimo` over the one-hot windows: what a script scans with that has no pipeline.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.common import AllPairs

ROOT = Path(__file__).resolve().parent.parent
RESOURCES = ROOT / "workflow" / "resources"
MOTIFS = RESOURCES / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme"
CHR20 = ROOT.parent / "shared" / "data" / "human_chr20" / "chr20.fa.gz"
BEGIN, WIDTH, A_MEGABASE, TARGETS = 5_000_000, 200, 443, ["ctcf", "pu1"]


def hits(sizes: list[float]) -> Iterator[str]:
    """Yield a row a size: `hits_chunk` over the windows of a chunk, and memelite over the same."""
    yield "| Mb | windows | hits_chunk, CPU s | MB | memelite, CPU s | ratio |"
    yield "|---|---|---|---|---|---|"
    for mb in sizes:
        with tempfile.TemporaryDirectory() as name:
            job = prepared(Path(name), mb, "regions")
            ours, theirs = [], []
            for _ in range(3):
                ours.append(measured("hits_chunk", job))
                theirs.append(measured("memelite", job))
        cpu, rival = (float(np.median([x[0] for x in runs])) for runs in (ours, theirs))
        n = len(window_starts(mb))
        yield f"| {mb:g} | {n} | {cpu:.1f} | {ours[0][1]:.0f} | {rival:.1f} | {rival / cpu:.1f} |"


def sweep(sizes: list[float]) -> Iterator[str]:
    """Yield a row a size: `hits_chunk` over every base of a chunk whose peaks are attributed."""
    yield "| Mb | hits_chunk of a sweep, CPU s | MB |"
    yield "|---|---|---|"
    for mb in sizes:
        with tempfile.TemporaryDirectory() as name:
            cpu, peak = measured("hits_chunk", prepared(Path(name), mb, "sweep"))
        yield f"| {mb:g} | {cpu:.1f} | {peak:.0f} |"


def gather(sizes: list[float]) -> Iterator[str]:
    """Yield a row a size: `hits` over as many chunks, each with the hits of one megabase."""
    yield "| chunks | hits, CPU s | MB |"
    yield "|---|---|---|"
    with tempfile.TemporaryDirectory() as name:
        folder = prepared(Path(name), 1.0, "regions")
        measured("hits_chunk", folder)
        for n in sizes:
            shifted_chunks(folder, round(n))
            cpu, peak = measured("hits", folder)
            yield f"| {n:g} | {cpu:.1f} | {peak:.0f} |"


def shifted_chunks(folder: Path, n: int) -> None:
    """Write the hits of `n` chunks: those of the one there is, a megabase apart."""
    from cisweep.outputs.hits import chunk_schema
    from cisweep.outputs.tables import read_parquet, write_parquet

    table = read_parquet(folder / "hits.parquet").to_pandas()
    (folder / "chunks").mkdir(exist_ok=True)
    for i in range(n):
        moved = table.assign(start=table["start"] + i * 10**6, end=table["end"] + i * 10**6)
        path = folder / "chunks" / f"c{i:06d}.parquet"
        write_parquet(moved, path, chunk_schema(TARGETS), {})


def attribute(sizes: list[float]) -> Iterator[str]:
    """Yield a row a size: `attribute_chunk` over the windows of a chunk, two references each."""
    yield "| Mb | windows | attribute_chunk, CPU s | MB |"
    yield "|---|---|---|---|"
    for mb in sizes:
        with tempfile.TemporaryDirectory() as name:
            cpu, peak = measured("attribute_chunk", prepared(Path(name), mb, "regions"))
        yield f"| {mb:g} | {len(window_starts(mb))} | {cpu:.1f} | {peak:.0f} |"


def measured(what: str, job: Path) -> tuple[float, float]:
    """Return CPU seconds and peak MB of one job in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.scale_hits", "--job", what, str(job)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def window_starts(mb: float) -> np.ndarray:
    """Return the sorted starts of the windows."""
    rng = np.random.default_rng(0)
    room = int(mb * 1e6) - WIDTH
    return np.sort(rng.choice(room, round(mb * A_MEGABASE), replace=False))


def prepared(folder: Path, mb: float, over: str) -> Path:
    """Write the files of one job: genome, attributions, base counts and config."""
    import pysam

    from cisweep.contracts import Windows
    from cisweep.genome.fasta import load_fasta, window_tokens
    from cisweep.jobs.hits import hits_null_size
    from cisweep.outputs.attributions import AttributionWriter
    from cisweep.scope import ModelScope

    length = int(mb * 1e6)
    with pysam.FastaFile(str(CHR20)) as source:
        text = source.fetch("chr20", BEGIN, BEGIN + length)
    (folder / "genome.fa").write_text(f">chr20\n{text}\n")
    pysam.faidx(str(folder / "genome.fa"))
    start = window_starts(mb)
    windows = Windows.build(["chr20"] * len(start), start, start + WIDTH)
    tokens = window_tokens(load_fasta(folder / "genome.fa"), windows.chrom, start, start + WIDTH)
    rng = np.random.default_rng(1)
    shape = (len(TARGETS), len(start))
    found = SimpleNamespace(
        hypothetical=rng.normal(size=(*shape, 4, WIDTH)).astype(np.float32),
        deltas=np.zeros(shape, np.float32), dy=np.ones(shape, np.float32),
        **{k: rng.normal(size=(*shape, WIDTH)).astype(np.float32)
           for k in ("projected", "sd", "fold_sd")},
    )  # fmt: skip
    path = folder / "attributions.h5"
    with AttributionWriter(path, WIDTH, TARGETS, WIDTH, {}) as writer:
        writer.append(windows, tokens.reshape(-1, WIDTH), AllPairs(found))
    counts = {"A": 29, "C": 21, "G": 21, "T": 29, "N": 0}
    (folder / "counts.json").write_text(json.dumps(counts))
    config = {
        "run": "scale",
        "genome": {"fasta": str(folder / "genome.fa")},
        "regions": {"tile": {"stride_bp": 100}},
        "models": {"m": str(RESOURCES / "models" / "ctcf_pu1.yaml")},
        "motifs": str(MOTIFS),
        "chunk_bp": length,
        "steps": {
            "predict": {},
            "select": {},
            "attribute": {"n_references": 2, "targets": "all"},
            "hits": {"over": over},
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    of = ModelScope(plan=plan_of(folder), model="m")
    hits_null_size(of, [], [path], folder / "null_size.json")
    return folder


def plan_of(folder: Path) -> Any:
    """Return the plan of a prepared folder."""
    from cisweep.plan.plan import Plan

    return Plan.from_config(json.loads((folder / "config.json").read_text()), ROOT)


def run_attribute_chunk(folder: Path) -> None:
    """Run the job `attribute_chunk` of a prepared folder."""
    from cisweep.jobs.attribute import attribute_chunk, attribute_windows_of
    from cisweep.scope import ChunkScope

    start = window_starts(plan_of(folder).chunk_bp / 1e6)
    rows = "".join(f"chr20\t{a}\t{a + WIDTH}\tx\t0\t.\n" for a in start)
    (folder / "peaks.bed").write_text(rows)
    of = ChunkScope(plan=plan_of(folder), model="m", chunk="c000000")
    found = attribute_windows_of(of, folder / "peaks.bed")
    attribute_chunk(of, found, "cpu", folder / "a.h5", folder / "a.dropped.tsv")


def run_hits(folder: Path) -> None:
    """Run the job `hits` of a prepared folder over its chunks."""
    from cisweep.jobs.hits import HitParts, HitTables, hits
    from cisweep.scope import ModelScope

    chunks = sorted((folder / "chunks").iterdir())
    parts = chunks, [folder / "hits.npz"] * len(chunks)
    names = ("all.parquet", "all.bed", "ranking.tsv", "families.tsv", "matrix.tsv", "matrix.svg")
    of = ModelScope(plan=plan_of(folder), model="m")
    given = HitParts(folder / "counts.json", *parts, folder / "null_size.json")
    hits(of, given, HitTables(*(folder / name for name in names)))


def run_hits_chunk(folder: Path) -> None:
    """Run the job `hits_chunk` of a prepared folder."""
    from cisweep.jobs.hits import HitInputs, hits_chunk
    from cisweep.scope import ChunkScope

    of = ChunkScope(plan=plan_of(folder), model="m", chunk="c000000")
    attributions, null_size = [folder / "attributions.h5"], folder / "null_size.json"
    given = HitInputs(folder / "counts.json", attributions, None, null_size)
    hits_chunk(of, given, *(folder / name for name in ("hits.parquet", "hits.npz", "dropped.tsv")))


def run_memelite(folder: Path) -> None:
    """Scan the windows of a prepared folder with memelite's FIMO, both strands."""
    import memelite

    from cisweep.bases import one_hot
    from cisweep.genome.fasta import load_fasta, window_tokens

    length = json.loads((folder / "config.json").read_text())["chunk_bp"]
    start = window_starts(length / 1e6)
    source = load_fasta(folder / "genome.fa")
    tokens = window_tokens(source, ["chr20"] * len(start), start, start + WIDTH)
    motifs = memelite.io.read_meme(str(MOTIFS))
    tables = memelite.fimo(motifs, one_hot(tokens.reshape(-1, WIDTH), np.int8))
    print(sum(map(len, tables)))


MEASURED = {"hits": hits, "sweep": sweep, "gather": gather, "attribute": attribute}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        globals()[f"run_{sys.argv[2]}"](Path(sys.argv[3]))
    elif len(sys.argv) < 2 or sys.argv[1] not in MEASURED:
        sys.exit(f"python -m benchmarks.scale_hits {{{','.join(MEASURED)}}} [size ...]")
    else:
        for line in MEASURED[sys.argv[1]]([float(size) for size in sys.argv[2:]] or [2.0]):
            print(line, flush=True)
