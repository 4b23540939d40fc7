"""Variants and mutagenesis in the workflow: products, chunk invariance, bad input."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from cisweep.analysis.motifs.chunk import scan_options
from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.genome.fasta import tokens_of_text
from cisweep.genome.motifs import load_motifs
from cisweep.steps.hits import HitsConfig

sys.path.insert(0, str(Path(__file__).parent))
from support import NO_NULL, STEPS, assert_same, config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vcf(tmp_path_factory, small_genome) -> Path:
    """60 SNVs and indels on the small genome, and five rows that cannot be scored."""
    rng, rows = np.random.default_rng(3), []
    with pysam.FastaFile(str(small_genome)) as genome:
        for chrom, end in (("chrA", 28_500), ("chrB", 11_500)):
            for pos in sorted(rng.choice(np.arange(500, end), 30, replace=False)):
                ref = genome.fetch(chrom, pos, pos + rng.integers(1, 4)).upper()
                alt = "".join(rng.choice(list("ACGT"), rng.integers(1, 4)))
                if alt != ref:
                    rows.append((chrom, pos + 1, ref, alt))
    rows += [("chrA", 20, "A", "*"), ("chrA", 29_500, "A", "C"), ("chrZ", 5, "A", "C")]
    rows += [rows[0], ("chrB", 11_950, "A", "<DEL>")]
    path = tmp_path_factory.mktemp("variants") / "v.vcf"
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    text += "".join(f"{c}\t{p}\t.\t{r}\t{a}\t.\t.\t.\n" for c, p, r, a in rows)
    path.write_text(text)
    return path


def steps(vcf, **changes):
    off = {name: None for name in STEPS}
    ism = {"ism": {"top_n": 2, "top_figures": 2, "span_bp": 60}}
    on = {"predict": {}, "select": NO_NULL, **ism}
    return off | on | {"variants": {"path": str(vcf), "n_nulls": 2, **changes}}


def test_products_do_not_depend_on_chunks(tmp_path, small_genome, snakemake, vcf):
    folders = [tmp_path / "one", tmp_path / "many"]
    for folder, chunk_bp in zip(folders, (100_000, 11_900)):
        snakemake(config(small_genome, chunk_bp=chunk_bp, steps=steps(vcf)), folder)
    assert_same(*folders)
    products = [folder / "results" / "small" / "ctcf_pu1" for folder in folders]
    for name in ("variants.vcf.gz", "variants.vcf.gz.tbi", "figures/variants.volcano.svg"):
        assert (products[0] / name).read_bytes() == (products[1] / name).read_bytes(), name
    table = pd.read_parquet(products[0] / "variants.parquet")
    dropped = pd.read_csv(products[0] / "variants.dropped.tsv", sep="\t")
    n_rows = sum(not line.startswith("#") for line in vcf.read_text().splitlines())
    assert len(table) // 2 + len(dropped) == n_rows  # every variant has a row
    assert {"star_allele", "unknown_chromosome", "symbolic_allele", "duplicate"} <= set(
        dropped["reason"]
    )
    assert table["p_value"].between(0, 1).all() and (table["q_value"] >= table["p_value"]).all()
    assert table["active_allele_quantile"].between(0, 1).all()
    with gzip.open(products[0] / "variants.vcf.gz", "rt") as handle:
        assert sum(not line.startswith("#") for line in handle) == len(table) // 2
    everything = pd.read_csv(folders[0] / "results/small/dropped_regions.tsv", sep="\t")
    assert (everything["step"] == "variants").sum() == len(dropped)
    for name in ("ism.h5", "figures/ism.ctcf.svg", "tracks/pu1.ism.bw"):
        assert (products[0] / name).read_bytes() == (products[1] / name).read_bytes(), name
    assert _alternate_hits(products[0], small_genome) > 0


def _alternate_hits(products, genome) -> int:
    """Return how many hits of alternate alleles there are; each has the p-value that the step hits
    gives it: against the genome's bases, not against uniform ones."""
    motifs = load_motifs(genome.parent / "motifs.meme")
    counts = products.parent / "base_counts.json"
    scanners = [
        prepare_motifs(motifs, **scan_options(HitsConfig(background=b), counts))
        for b in ("genome", "uniform")
    ]
    tables = [pd.read_csv(products / f"variants.{t}.hits.tsv", sep="\t") for t in ("ctcf", "pu1")]
    table = pd.concat(tables)
    rows = table[table["p_alt"].notna()]
    with pysam.FastaFile(str(genome)) as source:
        for row in rows.itertuples():
            pos = row.pos_1based - 1
            before = source.fetch(row.chrom, row.start, pos)
            site = before + row.alt + source.fetch(row.chrom, pos + len(row.ref), row.end)
            own, uniform = (
                {
                    (motifs[h["motif_idx"]].name, str(h["strand"])): h["p_value"]
                    for h in scan_tokens(scanner, tokens_of_text(site))
                }.get((row.motif, row.strand))
                for scanner in scanners
            )
            assert own == pytest.approx(row.p_alt, rel=1e-6)
            assert uniform != own  # else this could not fail
    return len(rows)


def test_a_wrong_genome_stops_before_the_model_is_loaded(tmp_path, small_genome, snakemake, vcf):
    text = vcf.read_text().replace("chrB", "chrX").replace("chrA", "chrB").replace("chrX", "chrA")
    other = tmp_path / "swapped.vcf"
    other.write_text(text)
    done = snakemake(config(small_genome, steps=steps(other)), tmp_path / "run", check=False)
    assert done.returncode
    assert "genome build is probably wrong" in done.stdout + done.stderr
