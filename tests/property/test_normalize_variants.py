"""Left-normalisation against brute force: all spellings of a haplotype, the leftmost one wins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.genome.fasta import NamedSequences, tokens_of_text
from cisweep.genome.variants.normalize import normalize, trim

genomes = st.text("ACGT", min_size=3, max_size=14) | st.text("AC", min_size=3, max_size=14)


@st.composite
def variants(draw):
    genome = draw(genomes)
    pos = draw(st.integers(0, len(genome) - 1))
    ref = genome[pos : pos + draw(st.integers(1, 4))]
    alt = draw(st.text("ACGT", min_size=1, max_size=4).filter(lambda a: a != ref))
    return genome, pos, ref, alt


def apply(genome, pos, ref, alt):
    assert genome[pos : pos + len(ref)] == ref
    return genome[:pos] + alt + genome[pos + len(ref) :]


def spellings(genome, haplotype):
    """Every (pos, ref, alt) with non-empty alleles that turns genome into haplotype."""
    for pos in range(len(genome)):
        for n_ref in range(1, len(genome) - pos + 1):
            n_alt = len(haplotype) - len(genome) + n_ref
            if n_alt < 1 or haplotype[:pos] != genome[:pos]:
                continue
            if haplotype[pos + n_alt :] == genome[pos + n_ref :]:
                yield pos, genome[pos : pos + n_ref], haplotype[pos : pos + n_alt]


@settings(deadline=None, max_examples=400)
@given(variants())
def test_normalized_is_the_shortest_then_leftmost_spelling(case):
    genome, pos, ref, alt = case
    haplotype = apply(genome, pos, ref, alt)
    source = NamedSequences({"c": tokens_of_text(genome)})
    got = normalize(source, "c", pos, ref, alt)
    best = min(spellings(genome, haplotype), key=lambda v: (len(v[1]) + len(v[2]), v[0]))
    assert got[:3] == best
    assert apply(genome, *got[:3]) == haplotype
    assert normalize(source, "c", *got[:3]) == (*best, 0)  # idempotent, and a second time unmoved
    assert got[3] == 0 or len(ref) != len(alt)


@given(variants())
def test_trimmed_alleles_share_no_end(case):
    genome, pos, ref, alt = case
    at, gone, new = trim(pos, ref, alt)
    assert apply(genome, at, gone, new) == apply(genome, pos, ref, alt)
    assert not (gone and new) or (gone[0] != new[0] and gone[-1] != new[-1])


def test_a_shift_through_a_repeat_longer_than_a_block():
    genome = "G" + "CA" * 600 + "T"
    source = NamedSequences({"c": tokens_of_text(genome)})
    assert normalize(source, "c", 1198, "ACA", "A") == (0, "GCA", "G", 1198)
    assert normalize(source, "c", 1199, "CA", "CACA") == (0, "G", "GCA", 1200)


@pytest.mark.parametrize("pos", [1, 2, 256, 257])
def test_the_bases_of_a_shift_to_the_first_base_are_all_counted(pos):
    """Of a run of A the first one goes, wherever the file says so."""
    source = NamedSequences({"c": tokens_of_text("A" * 300 + "T")})
    # The file deletes the base behind its anchor at pos.
    assert normalize(source, "c", pos, "AA", "A") == (0, "AA", "A", pos + 1)
