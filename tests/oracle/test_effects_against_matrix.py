"""Both CTCF/PU.1 models against the CTCF matrix, on every substitution of every strong hit."""

import numpy as np
import pytest

from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.variants.allele_hits import allele_hits
from cisweep.analysis.variants.model import EffectModel
from cisweep.analysis.variants.variant_effects import variant_effects
from cisweep.genome.fasta import Genome
from cisweep.genome.motifs import load_motifs
from cisweep.genome.variants.reading import Variant
from cisweep.plan.run_config import read_model_config

STRONG = 1e-5


@pytest.fixture(scope="module")
def substitutions(resources):
    """The demo's megabase, the CTCF matrix, and all substitutions inside its strong hits."""
    genome = Genome(resources / "genome" / "chr20_0_1Mb.fa.gz")
    path = resources / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme"
    motif = [m for m in load_motifs(path) if m.name == "MA0139.2"]
    tokens = genome.tokens("chr20", 0, genome.lengths["chr20"])
    places = {
        p
        for hit in scan_tokens(prepare_motifs(motif, threshold=STRONG), tokens)
        for p in range(int(hit["start"]), int(hit["end"]))
    }
    variants = [
        Variant("chr20", p, "ACGT"[tokens[p]], base)
        for p in sorted(places)
        for base in "ACGT"
        if tokens[p] < 4 and base != "ACGT"[tokens[p]]
    ]
    assert len(variants) > 1000
    return genome, motif, variants


@pytest.mark.parametrize("name", ["first", "demo"])
def test_effects_have_the_sign_of_the_change_of_score(substitutions, resources, root, name):
    genome, motif, variants = substitutions
    first = root / "tests" / "data" / "first_ctcf_pu1.yaml"
    config = read_model_config(first if name == "first" else resources / "models" / "ctcf_pu1.yaml")
    model = EffectModel.load(config)
    found = variant_effects(model, variants, genome, batch_size=128)
    hits = allele_hits(found.alleles, prepare_motifs(motif, threshold=1e-3), motif)
    delta = {v.key: d for v, d in zip(found.alleles.variants, found.delta[:, 0])}
    strong = hits[hits[["p_ref", "p_alt"]].min(axis=1) < STRONG]
    change = strong["score_alt"].fillna(-99) - strong["score_ref"].fillna(-99)
    effect = [delta[f"{r.chrom}:{r.pos + 1}:{r.ref}:{r.alt}"] for r in strong.itertuples()]
    agree = np.sign(change.to_numpy()) == np.sign(effect)
    # Effects of the base beside, or of the complement of the new base, agree in 0.80 (0.88 where
    # the score changes by 4 bits and more), those of the other target in less: 0.9 is half way from
    # there to full agreement. Of the 34 sites one that is read wrongly takes 1 / 34 of the large
    # changes, more than 0.98 leaves.
    assert agree.mean() >= 0.9, agree.mean()
    assert agree[change.abs() >= 4].mean() >= 0.98, agree[change.abs() >= 4].mean()
    far = variant_effects(
        model, variants[:60], genome, starts=np.array([v.pos + 500 for v in variants[:60]])
    )
    assert (far.delta == 0).all()
