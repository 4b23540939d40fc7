"""Allele windows against sequences built by hand with string slices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.genome.fasta import NamedSequences, tokens_of_text
from cisweep.genome.variants.alleles import AllelePolicy, Edit, allele_windows
from cisweep.genome.variants.normalize import trim
from cisweep.genome.variants.reading import Variant

W = 12


def letters(tokens):
    return "".join("ACGTN"[t] for t in tokens)


@st.composite
def cases(draw):
    genome = draw(st.text("ACGT", min_size=60, max_size=60))
    pos = draw(st.integers(20, 36))
    ref = genome[pos : pos + draw(st.integers(1, 5))]
    alt = draw(st.text("ACGT", min_size=1, max_size=5).filter(lambda a: a != ref))
    return genome, Variant("c", pos, ref, alt)


def by_hand(genome, variant, how):
    """The three trimmings, written out with slices of the two haplotypes."""
    pos, ref, alt = trim(variant.pos, variant.ref, variant.alt)
    begin = pos + len(ref) // 2 - W // 2
    haplotype = genome[:pos] + alt + genome[pos + len(ref) :]
    if how == "right":
        window = haplotype[begin : begin + W]
    elif how == "left":
        end = begin + W + len(alt) - len(ref)
        window = haplotype[end - W : end]
    else:
        middle = pos + len(alt) // 2
        window = haplotype[middle - W // 2 : middle - W // 2 + W]
    return genome[begin : begin + W], window


@settings(deadline=None, max_examples=150)
@given(cases(), st.sampled_from(["right", "left", "centre"]))
def test_windows_equal_slices_of_the_haplotypes(case, how):
    genome, variant = case
    source = NamedSequences({"c": tokens_of_text(genome)})
    found = allele_windows([variant], source, AllelePolicy(W, how))
    ref, alt = by_hand(genome, variant, how)
    assert (letters(found.ref[0]), letters(found.alt[0])) == (ref, alt)
    # Every column that is not inserted shows the reference's base, but for substituted ones.
    pos, gone, new = trim(variant.pos, variant.ref, variant.alt)
    swapped = range(pos, pos + min(len(gone), len(new)))
    for base, column in zip(found.alt[0], found.columns[0]):
        if column >= 0 and column + found.windows.start[0] not in swapped:
            assert base == found.ref[0, column]
    known = found.columns[0][found.columns[0] >= 0]
    assert (np.diff(known) > 0).all()
    # Lost columns: the deleted bases, and what the trimming pushed out.
    assert len(known) >= W - max(len(gone), len(new))


GENOME = "ACGTTGCAAGCTTAGCCATGACGTTGCAAGCTTAGCCATG"
SOURCE = NamedSequences({"c": tokens_of_text(GENOME)})


def test_written_out_examples():
    deletion = Variant("c", 19, "GAC", "G")  # deletes AC at 20, 21; the middle is 21
    insertion = Variant("c", 19, "G", "GTTT")  # TTT before base 20
    for how, shorter, longer in [
        ("right", "CATGGTTGCA", "CCATGTTTAC"),
        ("left", "GCCATGGTTG", "TGTTTACGTT"),
        ("centre", "CCATGGTTGC", "CATGTTTACG"),
    ]:
        policy = AllelePolicy(10, how)
        assert letters(allele_windows([deletion], SOURCE, policy).alt[0]) == shorter
        assert letters(allele_windows([insertion], SOURCE, policy).alt[0]) == longer
    assert letters(allele_windows([insertion], SOURCE, AllelePolicy(10)).ref[0]) == "CCATGACGTT"


def test_variants_at_one_place_share_one_reference():
    variants = [Variant("c", 20, "A", b) for b in "CGT"] + [Variant("c", 12, "T", "A")]
    found = allele_windows(variants, SOURCE, AllelePolicy(10))
    assert len(found.ref) == 2
    assert found.ref_idx.tolist() == [1, 1, 1, 0]
    assert found.windows.start.tolist() == [7, 15]
    assert found.changed.all()


def test_a_variant_outside_its_window_changes_nothing():
    variants = [
        Variant("c", 4, "T", "A"),
        Variant("c", 25, "G", "GAAA"),
        Variant("c", 15, "C", "A"),
    ]
    for how in ("left", "right", "centre"):
        found = allele_windows(variants, SOURCE, AllelePolicy(10, how), starts=np.array([10] * 3))
        assert found.changed.tolist() == [False, False, True], how


def test_haplotypes_carry_what_fits_and_do_not_depend_on_the_order():
    own = Variant("c", 20, "A", "T")
    near = [Variant("c", 17, "A", "C"), Variant("c", 21, "CG", "C"), Variant("c", 20, "A", "G")]
    far = Variant("c", 35, "G", "T")
    policy = AllelePolicy(12, haplotype=True)
    found = allele_windows([own], SOURCE, policy, others=[own, *near, far])
    assert letters(found.alt[0]) == "GCCCTGTCTTGC"
    assert found.n_joined.tolist() == [3]
    again = allele_windows([own], SOURCE, policy, others=[far, *near[::-1], own])
    assert (again.alt == found.alt).all()
    alone = allele_windows([own], SOURCE, AllelePolicy(12))
    assert letters(alone.alt[0]) == "GCCATGTCGTTG"
    assert alone.n_joined.tolist() == [1]


@pytest.mark.parametrize(
    ("variant", "policy", "reason"),
    [
        (Variant("c", 2, "G", "A"), AllelePolicy(10), "off_chromosome_end"),
        (Variant("c", 38, "T", "A"), AllelePolicy(10), "off_chromosome_end"),
        (Variant("c", 33, "AGC", "A"), AllelePolicy(10), "off_chromosome_end"),
        (Variant("c", 20, "A", "A" + "C" * 6), AllelePolicy(10), "allele_too_long"),
        (Variant("c", 2, "G", "A"), AllelePolicy(10, edge="pad", max_n=0.2), "too_many_n"),
    ],
)
def test_variants_without_a_window_keep_a_reason(variant, policy, reason):
    good = Variant("c", 15, "C", "A")
    found = allele_windows([variant, good], SOURCE, policy)
    assert [v.reason for v in found.dropped] == [reason]
    assert found.variants == [good]
    assert len(found.ref) == 1 and found.ref_idx.tolist() == [0]


def deletion_at(pos):
    return Variant("c", pos - 1, GENOME[pos - 1 : pos + 2], GENOME[pos - 1])


PAD = {"window_bp": 10, "trim": "left", "edge": "pad"}


@pytest.mark.parametrize(
    ("kept", "dropped", "policy"),
    [
        # Windows [0, 10) and [30, 40) are the first and the last of 40 bases.
        (Variant("c", 5, "G", "A"), Variant("c", 4, "T", "A"), AllelePolicy(10)),
        (Variant("c", 35, "G", "A"), Variant("c", 36, "C", "A"), AllelePolicy(10)),
        # Of [28, 38) two bases are deleted, so two are read behind it.
        (deletion_at(32), deletion_at(33), AllelePolicy(10)),
        (
            Variant("c", 20, "A", "A" + "C" * 5),
            Variant("c", 20, "A", "A" + "C" * 6),
            AllelePolicy(10),
        ),
        # Two of ten are N, three of ten.
        (Variant("c", 3, "T", "A"), Variant("c", 2, "G", "A"), AllelePolicy(**PAD, max_n=0.2)),
        # Two N in the reference window and one in the other: the larger share counts.
        (Variant("c", 4, "T", "TA"), Variant("c", 2, "G", "GA"), AllelePolicy(**PAD, max_n=0.1)),
    ],
)
def test_the_first_and_the_last_window_that_is_allowed(kept, dropped, policy):
    found = allele_windows([kept, dropped], SOURCE, policy)
    assert found.variants == [kept] and [v.pos for v in found.dropped] == [dropped.pos]


def test_padding():
    found = allele_windows(
        [Variant("c", 2, "G", "GA")], SOURCE, AllelePolicy(10, "left", "pad", 0.5)
    )
    assert letters(found.ref[0]) == "NNACGTTGCA"
    assert letters(found.alt[0]) == "NACGATTGCA"
    assert Edit.of(Variant("c", 2, "G", "GA")).centre == 3


def test_no_variants():
    found = allele_windows([], SOURCE, AllelePolicy(10))
    assert found.ref.shape == found.alt.shape == (0, 10)
    assert len(found) == len(found.windows) == 0
