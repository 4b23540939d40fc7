"""Chunks without a usable window, first, in the middle and last, and a run without any at all."""

import sys
from pathlib import Path

import h5py
import pandas as pd
import pyBigWig
import pysam
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import STEPS, assert_same, config, products

pytestmark = pytest.mark.slow


def write_genome(folder: Path, sequences: dict[str, str]) -> Path:
    path = folder / "genome.fa"
    path.write_text("".join(f">{n}\n{s}\n" for n, s in sequences.items()))
    pysam.faidx(str(path))
    return path


def overlay(genome: Path, motifs: Path, position: int, ref: str) -> dict:
    """Return a config with every step that reads regions, and one variant of chromosome c1."""
    vcf = genome.parent / "v.vcf"
    vcf.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"c1\t{position + 1}\t.\t{ref}\t{'A' if ref != 'A' else 'C'}\t.\t.\t.\n"
    )
    steps = STEPS | {
        "select": {"fdr": None, "top_n": 6},
        "ism": {"span_bp": 8, "top_n": 2},
        "variants": {"path": str(vcf), "n_nulls": 2, "max_dropped": 1.0},
        "marginalize": {"n_backgrounds": 4},
        "ablate": {"max_hits": 4, "n_shuffles": 2},
        "report": {},
    }
    regions = {"tile": {"stride_bp": 100}, "max_dropped": 1.0}
    own = {"motifs": str(motifs), "chunk_bp": 6000, "steps": steps, "regions": regions}
    return config(genome) | own


def n_rows(path: Path) -> int | None:
    """Return the rows of a table, HDF5 file or bigWig, opened as a user would; None for others."""
    if path.suffix == ".h5":
        rows: list[int] = []
        with h5py.File(path) as file:
            file.visititems(lambda _, x: rows.append(len(x)) if getattr(x, "shape", ()) else None)
        return max(rows)
    if path.suffix == ".parquet":
        return len(pd.read_parquet(path))
    if path.suffix == ".tsv":
        return len(pd.read_csv(path, sep="\t"))
    if path.suffix == ".bw":
        with pyBigWig.open(str(path)) as file:
            return int(file.header()["nBasesCovered"])
    if path.suffix in (".bed", ".narrowPeak"):
        return len(path.read_text().splitlines())
    return None


def test_empty_chunks_change_nothing(tmp_path, small_genome, snakemake):
    """Stretches of N as long as chunks, as every human chromosome has at its centromere."""
    real = pysam.FastaFile(str(small_genome)).fetch("chrA", 0, 12_000)
    none = "N" * 6000
    genome = write_genome(
        tmp_path, {"n1": none, "c1": real[:6000], "n2": none, "c2": real[6000:], "n3": none}
    )
    settings = overlay(genome, small_genome.parent / "motifs.meme", 3000, real[3000].upper())
    # Figures of variants and mutagenesis are compared in test_variants_workflow.
    settings["steps"]["ism"]["top_figures"] = settings["steps"]["variants"]["top_n"] = 0
    snakemake(settings, tmp_path / "many")
    snakemake(settings | {"chunk_bp": 100_000}, tmp_path / "whole")
    assert_same(tmp_path / "many", tmp_path / "whole")
    found = {p: n_rows(tmp_path / "many/results" / p) for p in products(tmp_path / "many")}
    model = Path("small/ctcf_pu1")
    assert all(found[model / n] > 0 for n in ("predictions.h5", "attributions.h5", "hits.parquet"))


def test_a_run_without_any_window_gives_valid_empty_products(tmp_path, small_genome, snakemake):
    genome = write_genome(tmp_path, {"n1": "N" * 6000, "c1": "N" * 3000})
    settings = overlay(genome, small_genome.parent / "motifs.meme", 1000, "N")
    del settings["steps"]["marginalize"]  # it asks for backgrounds without N
    done = snakemake(settings, tmp_path / "run", "--keep-going", check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    results = tmp_path / "run/results"
    found = {str(p): n_rows(results / p) for p in products(tmp_path / "run")}
    # Tables with one row a target, a motif, or a region or variant that was dropped.
    told = ("targets.tsv", "dropped", "unread", "summary", "motif_ranking", "motif_families")
    full = {p for p, n in found.items() if n and not any(word in p for word in told)}
    assert full == set() and found["small/dropped_regions.tsv"] >= 80
    assert (results / "small/report.html").stat().st_size > 10_000
