"""Experiments with motifs and zero-shot scores in the workflow: products, chunk invariance."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import NO_NULL, STEPS, assert_same, config, jobs_run

pytestmark = pytest.mark.slow

EXPERIMENTS = {
    "marginalize": {"n_backgrounds": 12, "backgrounds": "gc_matched"},
    "space": {"n_backgrounds": 3, "motifs": ["Spi1", "MA0139.2"], "product": True,
              "distances": [0, 9]},
    "ablate": {"n_shuffles": 3, "max_hits": 6, "min_hits": 3},
}  # fmt: skip


@pytest.fixture(scope="module")
def variants(tmp_path_factory, small_genome) -> Path:
    """1,100 SNVs of the small genome in three groups: more than two blocks of pairs."""
    rng, path = np.random.default_rng(1), tmp_path_factory.mktemp("v") / "v.tsv"
    lines = ["chrom\tpos_1based\tref\talt\tid\tgroup"]
    with pysam.FastaFile(str(small_genome)) as genome:
        for chrom, end, n in (("chrA", 28_500, 800), ("chrB", 11_500, 300)):
            for pos in sorted(rng.choice(np.arange(500, end), n, replace=False)):
                ref = genome.fetch(chrom, pos, pos + 1).upper()
                alt = "ACGT"[("ACGT".index(ref) + 1) % 4]
                lines.append(f"{chrom}\t{pos + 1}\t{ref}\t{alt}\t.\tg{pos % 3}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_products_do_not_depend_on_chunks(tmp_path, small_genome, snakemake):
    steps = {name: None for name in STEPS}
    steps |= {
        "predict": {},
        "select": NO_NULL,
        "hits": {"background": "markov1"},
    } | EXPERIMENTS
    folders = [tmp_path / "one", tmp_path / "many"]
    jobs = []
    for folder, chunk_bp in zip(folders, (1_000_000, 15_000)):
        done = snakemake(config(small_genome, chunk_bp=chunk_bp, steps=steps), folder)
        jobs.append(jobs_run(done.stderr))
    for rule, several in (("marginalize_chunk", 2), ("space_chunk", 3), ("ablate_chunk", 3)):
        assert jobs[0][rule] == 1 and jobs[1][rule] >= several
    assert_same(*folders)
    one, many = (folder / "results" / "small" / "ctcf_pu1" for folder in folders)
    for name in ("marginalize.parquet", "ablate.parquet", "ablate.hits.parquet", "space.parquet",
                 "figures/marginalize.svg", "figures/ablate.svg", "figures/space.svg"):  # fmt: skip
        assert (one / name).read_bytes() == (many / name).read_bytes(), name
    effects = pd.read_parquet(one / "marginalize.parquet").query("target == 'ctcf'")
    assert effects.sort_values("rank")["name"].iloc[0] == "CTCF"
    assert len(pd.read_parquet(one / "space.parquet")) == 4 * 4 * 2 * 2
    lost, hits = (
        pd.read_parquet(one / "ablate.parquet"),
        pd.read_parquet(one / "ablate.hits.parquet"),
    )
    assert lost["rank"].notna().equals(lost["n"] >= 3) and lost["n"].max() <= 6
    assert lost["p_value"].between(0, 1).all() and hits["effect_p_value"].between(0, 1).all()
    assert (hits["p_value"] < 1e-4).all()  # of the matches
    assert lost["q_value"].notna().equals(lost["rank"].notna())
    for row in lost.itertuples():
        own = hits[(hits["motif"] == row.motif) & (hits["target"] == row.target)]["effect"]
        assert (len(own), own.mean()) == (row.n, pytest.approx(row.effect))


def test_zero_shot_scores_do_not_depend_on_chunks(
    tmp_path, small_genome, snakemake, resources, variants
):
    pytest.importorskip("transformers")
    model = {"models": {"lm": str(resources / "yeast_lm" / "model.yaml")}}
    steps = {name: None for name in STEPS} | {
        "variants": {"path": str(variants)},
        "zero_shot": {"scores": ["l2", "likelihood_ratio"], "both_strands": True, "limit": 1090},
    }
    folders = [tmp_path / "one", tmp_path / "many"]
    for folder, chunk_bp in zip(folders, (100_000, 15_000)):
        done = snakemake(config(small_genome, chunk_bp=chunk_bp, steps=steps, **model), folder)
        assert jobs_run(done.stderr)["zero_shot_chunk"] == (1 if chunk_bp == 100_000 else 3)
    assert_same(*folders)
    one, many = (folder / "results" / "small" / "lm" for folder in folders)
    for name in ("zero_shot.tsv", "zero_shot.tests.tsv", "zero_shot.embeddings.parquet",
                 "figures/zero_shot.groups.svg", "figures/zero_shot.pca.svg"):  # fmt: skip
        assert (one / name).read_bytes() == (many / name).read_bytes(), name
    table = pd.read_csv(one / "zero_shot.tsv", sep="\t")
    assert len(table) == 1090 and set(table["group"]) == {"g0", "g1", "g2"}
    assert (table["l2"] > 0).all() and table["likelihood_ratio"].notna().all()
    assert len(pd.read_parquet(one / "zero_shot.embeddings.parquet")) == 2 * 1090
    assert len(pd.read_csv(one / "zero_shot.tests.tsv", sep="\t")) == 2 * 3
