"""Haplotype windows against the two sequences of a sample, written out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.genome.fasta import NamedSequences, tokens_of_text
from cisweep.genome.variants.alleles import AllelePolicy, allele_windows
from cisweep.genome.variants.edits import Edit, Genotype
from cisweep.genome.variants.reading import VARIANT_DROP_REASONS, Variant

W = 16
POLICY = AllelePolicy(W, haplotype=True)


def letters(tokens):
    return "".join("ACGTN"[t] for t in tokens)


@st.composite
def samples(draw):
    """A genome and phased variants that do not overlap."""
    genome = draw(st.text("ACGT", min_size=120, max_size=120))
    variants, pos = [], 30
    while pos < 80:
        n = draw(st.integers(1, 3))
        ref = genome[pos : pos + n]
        kind = draw(st.sampled_from(["snv", "insertion", "deletion"]))
        if kind == "snv":
            ref = ref[0]
            alt = draw(st.sampled_from([b for b in "ACGT" if b != ref]))
        elif kind == "insertion":
            ref = ref[0]
            alt = ref + draw(st.text("ACGT", min_size=1, max_size=3))
        else:
            ref, alt = genome[pos : pos + n + 1], genome[pos]
        genotype = draw(st.sampled_from(["0|1", "1|0", "1|1", "1/1"]))
        variants.append(Variant("c", pos, ref, alt, genotype=genotype))
        pos += len(ref) + draw(st.integers(1, 7))
    return genome, variants


@settings(deadline=None, max_examples=120)
@given(samples())
def test_windows_are_slices_of_the_samples_two_sequences(case):
    genome, variants = case
    source = NamedSequences({"c": tokens_of_text(genome)})
    order = np.random.default_rng(0).permutation(len(variants))
    shuffled = [variants[i] for i in order]
    found = allele_windows(variants, source, POLICY, others=shuffled)
    assert not found.dropped
    rows = {(v.key, h): i for i, v in enumerate(found.variants) for h in v.haplotype.split(",")}
    for variant in variants:
        begin = Edit.of(variant).centre - W // 2
        # An edit at the window's very first base belongs to both sides of its edge.
        edged = any(v.pos + 1 == begin or v.pos == begin for v in variants)
        for haplotype in (0, 1):
            if Genotype.of(variant.genotype).carries[haplotype]:
                sequence, n = genome, 0
                for v in sorted(variants, key=lambda v: -v.pos):
                    inside = begin <= Edit.of(v).pos < begin + W
                    if inside and Genotype.of(v.genotype).carries[haplotype]:
                        sequence = sequence[: v.pos] + v.alt + sequence[v.pos + len(v.ref) :]
                        n += 1
                row = rows.pop((variant.key, str(haplotype + 1)))
                if edged:
                    continue
                assert letters(found.alt[row]) == sequence[begin : begin + W]
                assert letters(found.ref[found.ref_idx[row]]) == genome[begin : begin + W]
                assert found.n_joined[row] == n
    assert not rows


GENOME = "ACGTTGCAAGCTTAGCCATGACGTTGCAAGCTTAGCCATG"
SOURCE = NamedSequences({"c": tokens_of_text(GENOME)})


def at(pos, alt, genotype, ref=None):
    return Variant("c", pos, ref or GENOME[pos], alt, genotype=genotype)


def names_and_windows(own, *others):
    found = allele_windows([own], SOURCE, AllelePolicy(12, haplotype=True), others=[own, *others])
    shown = [(v.haplotype, letters(a)) for v, a in zip(found.variants, found.alt)]
    return shown, [(v.reason, v.detail) for v in found.dropped]


def test_only_alleles_of_the_same_haplotype_are_joined():
    own = at(20, "T", "0|1")
    same, other, both = at(18, "A", "0|1"), at(22, "A", "1|0"), at(24, "C", "1/1")
    shown, dropped = names_and_windows(own, same, other, both)
    assert (shown, dropped) == ([("2", "GCCAAGTCGTCG")], [])
    assert GENOME[14:26] == "GCCATGACGTTG"


def test_a_variant_on_two_haplotypes_that_differ_has_two_rows():
    shown, _ = names_and_windows(at(20, "T", "1|1"), at(18, "A", "0|1"))
    assert shown == [("1", "GCCATGTCGTTG"), ("2", "GCCAAGTCGTTG")]
    shown, _ = names_and_windows(at(20, "T", "1/1"), at(18, "A", "1|1"))
    assert shown == [("1,2", "GCCAAGTCGTTG")]
    shown, _ = names_and_windows(at(20, "T", "1"), at(18, "A", "1"))
    assert shown == [("1", "GCCAAGTCGTTG")]


@pytest.mark.parametrize(
    ("own", "others", "reason", "detail"),
    [
        ("0/1", ["0|1"], "unphased", "its phase to c:19:T:A in its window is unknown"),
        ("0|1", ["0/1"], "unphased", "c:19:T:A is in its window, with unknown phase"),
        ("1|1", ["0/1"], "unphased", "c:19:T:A is in its window"),
        ("0|1:5", ["0|1:9"], "unphased", "c:19:T:A in its window belongs to another phase set"),
        ("1|1", ["0|1:5", "0|1:9"], "unphased", "belongs to another phase set"),
    ],
)
def test_an_unknown_phase_is_a_reason_not_a_guess(own, others, reason, detail):
    near = [at(18, "A", others[0]), *(at(22, "A", g) for g in others[1:])]
    shown, dropped = names_and_windows(at(20, "T", own), *near)
    assert not shown and dropped[0][0] == reason and detail in dropped[0][1]
    assert reason in VARIANT_DROP_REASONS


def test_an_unphased_variant_alone_needs_no_phase():
    shown, dropped = names_and_windows(at(20, "T", "0/1"), at(18, "A", "1/1"), at(35, "T", "0/1"))
    assert shown == [(".", "GCCAAGTCGTTG")] and not dropped
    shown, _ = names_and_windows(at(20, "T", "0|1:5"), at(18, "A", "1/1"))
    assert shown == [("2", "GCCAAGTCGTTG")]


def test_alleles_that_overlap_on_one_haplotype_are_a_reason():
    deletion = at(19, "G", "0|1", ref="GACG")
    shown, dropped = names_and_windows(at(20, "T", "0|1"), deletion)
    assert not shown and dropped == [("overlapping_alleles", "c:20:GACG:G changes the same bases")]
    shown, dropped = names_and_windows(at(20, "T", "1|0"), deletion)
    assert len(shown) == 1 and not dropped


@pytest.mark.parametrize(
    ("text", "carries", "phased", "het", "block"),
    [
        ("0|1", (False, True), True, True, ""),
        ("0/1", (False, True), False, True, ""),
        ("1/1", (True, True), True, False, ""),
        ("1", (True,), True, False, ""),
        ("1|0:77", (True, False), True, True, "77"),
    ],
)
def test_genotypes(text, carries, phased, het, block):
    found = Genotype.of(text)
    assert (found.carries, found.phased, found.is_het, found.block) == (carries, phased, het, block)
    assert found.on(5) == all(carries)
