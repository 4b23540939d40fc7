"""A run that scans with the motifs that it discovers itself (steps.hits.motifs)."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import config

pytestmark = pytest.mark.slow

SITE = "CAGCGCCCCCTGGTGGCCAC"  # CTCF's
N_SITES, APART = 150, 400
STEPS = {
    "attribute": {"n_references": 3, "targets": ["ctcf"], "tracks": False, "export": False},
    "seqlets": {"fdr": 0.2},
    "discover": {"min_seqlets": 30, "window_bp": 150},
    "hits": {"motifs": ["file", "discovered"], "null_copies": 10},
    "report": {},
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A random chromosome with sites on either strand, and where these begin."""
    rng = np.random.default_rng(0)
    letters = rng.choice(list("ACGT"), N_SITES * APART)
    starts = np.arange(N_SITES) * APART + 190
    reverse = SITE.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    for i, start in enumerate(starts):
        letters[start : start + len(SITE)] = list(reverse if i % 3 == 0 else SITE)
    fasta = tmp_path_factory.mktemp("sites") / "g.fa"
    fasta.write_text(f">chrA\n{''.join(letters)}\n")
    pysam.faidx(str(fasta))
    rows = (f"chrA\t{s - 90}\t{s + 110}\n" for s in starts)
    fasta.with_name("windows.bed").write_text("".join(rows))
    # The file knows other motifs alone.
    fasta.with_name("motifs.meme").write_text(
        "MEME version 4\n\nALPHABET= ACGT\n\n"
        "MOTIF M1 TATA\nletter-probability matrix: alength= 4 w= 6\n"
        + "".join(f"{a} 0 0 {t}\n" for t, a in zip((1, 0, 1, 0, 1, 0), (0, 1, 0, 1, 0, 1)))
        + "\nMOTIF M2 GATA\nletter-probability matrix: alength= 4 w= 6\n"
        "0.5 0 0 0.5\n0 0 1 0\n1 0 0 0\n0 0 0 1\n1 0 0 0\n0.5 0 0.5 0\n"
    )
    return fasta, starts


@pytest.fixture(scope="module")
def run(sites, snakemake, tmp_path_factory) -> Path:
    pytest.importorskip("modiscolite")
    fasta, _ = sites
    folder = tmp_path_factory.mktemp("run")
    given = config(fasta, regions={"bed": str(fasta.with_name("windows.bed"))}, steps=STEPS)
    snakemake(given, folder, timeout=900)
    return folder / "results" / "small"


def test_its_own_motif_is_found_at_its_places(run, sites):
    clusters = pd.read_csv(run / "motif_clusters" / "clusters.tsv", sep="\t")
    first = clusters["cluster"].iloc[0]
    hits = pd.read_parquet(run / "ctcf_pu1" / "hits.parquet")
    mine = hits[(hits["motif"] == first) & hits["best_ctcf"]]
    _, starts = sites
    at = ((mine["start"] + mine["end"]) / 2).to_numpy()
    found = np.abs(at[:, None] - (starts + len(SITE) / 2)).min(axis=0) < 6
    assert found.mean() > 0.9
    assert set(hits["motif"]) <= {"M1", "M2", *clusters["cluster"]}


def test_it_explains_most_and_is_not_said_to_drive(run):
    families = pd.read_csv(run / "ctcf_pu1" / "motif_families.tsv", sep="\t")
    mine = families[families["target"] == "ctcf"]
    most = mine.loc[mine["explained"].idxmax()]
    assert most["motif"].startswith("cluster_") and most["n_places"] > 0.9 * N_SITES
    assert np.isnan(most["q_value"]) and not most["drives"]
    html = (run / "report.html").read_text()
    assert "Motifs that the run discovered (cluster_1, …) are scanned too." in html
    assert "drives ctcf most" not in html
    assert "the matrices of motifs.meme and the motifs that the run discovered" in html


def test_a_second_call_has_nothing_to_do(run, sites, snakemake):
    fasta, _ = sites
    given = config(fasta, regions={"bed": str(fasta.with_name("windows.bed"))}, steps=STEPS)
    done = snakemake(given, run.parent.parent, "-n")
    assert "Nothing to be done" in done.stdout + done.stderr
