"""Hits gained and lost, against scans of the two windows compared by hand."""

import numpy as np
import pandas as pd
import pytest

from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.variants.allele_hits import (
    ALLELE_HIT_COLUMNS,
    allele_hits,
    allele_spans,
    hits_in_words,
)
from cisweep.genome.fasta import NamedSequences, tokens_of_text
from cisweep.genome.motifs import Motif
from cisweep.genome.variants.alleles import AllelePolicy, allele_windows
from cisweep.genome.variants.normalize import trim
from cisweep.genome.variants.reading import Variant
from cisweep.plot.alleles import AlleleLogo, save_allele_logos


def motif(name, letters):
    pwm = np.full((4, len(letters)), 0.02)
    for i, letter in enumerate(letters):
        pwm["ACGT".index(letter), i] = 0.94
    return Motif(name, name.upper(), pwm)


#         0         10        20        30        40
GENOME = "TTTTTTTTTTTTTTTTGATTACCATTTTTTTTTTTTTTTTTTTTTTTT"
SOURCE = NamedSequences({"c": tokens_of_text(GENOME)})
MOTIFS = [motif("m1", "GATTACCA"), motif("m2", "TTCCCCTT")]
MODEL = prepare_motifs(MOTIFS, threshold=1e-3)


def hits_of(*variants):
    return allele_hits(allele_windows(variants, SOURCE, AllelePolicy(30)), MODEL, MOTIFS)


def test_a_substitution_loses_a_hit():
    table = hits_of(Variant("c", 21, "C", "G"))
    assert list(table.columns) == ALLELE_HIT_COLUMNS
    row = table.iloc[0]
    assert (row["change"], row["motif"], row["name"]) in {
        ("lost", "m1", "M1"),
        ("changed", "m1", "M1"),
    }
    assert (row["strand"], row["start"], row["end"]) == ("+", 16, 24)
    assert np.isnan(row["score_alt"]) or row["score_alt"] < row["score_ref"]


def test_an_insertion_gains_a_hit_and_the_shifted_ones_are_no_change():
    table = hits_of(Variant("c", 30, "T", "TCCCC"))
    row = table[table["motif"] == "m2"].iloc[0]
    assert row["change"] == "gained"
    assert (row["start"], row["end"]) == (29, 33)  # TT before and TT behind the inserted bases
    assert np.isnan(row["score_ref"]) and row["p_alt"] < 1e-3
    assert not (table["motif"] == "m1").any()  # m1 moves in the window, and is the same


def test_a_hit_beside_an_insertion_is_not_over_it():
    for pos, ref in ((15, "T"), (23, "A")):  # before the first base, and behind the last one
        assert not (hits_of(Variant("c", pos, ref, ref + "GG"))["motif"] == "m1").any()


def test_each_hit_in_inserted_bases_is_gained():
    source = NamedSequences({"c": tokens_of_text("T" * 200)})
    alleles = allele_windows(
        [Variant("c", 100, "T", "T" + "GATTACCAGATTACCA")], source, AllelePolicy(60)
    )
    table = allele_hits(alleles, MODEL, MOTIFS)
    gained = table[(table["motif"] == "m1") & (table["strand"] == "+")]
    assert gained["change"].tolist() == ["gained", "gained"]
    assert (gained[["start", "end"]] == 101).all(axis=None)  # none of the reference's bases


def test_a_deletion_makes_and_breaks_hits():
    assert "lost" in hits_of(Variant("c", 17, "ATT", "A"))["change"].tolist()
    other = NamedSequences({"c": tokens_of_text(GENOME.replace("GATTACCA", "GATTGGACCA"))})
    variant = Variant("c", 19, "TGG", "T")
    table = allele_hits(allele_windows([variant], other, AllelePolicy(30)), MODEL, MOTIFS)
    assert table.query("motif == 'm1'")["change"].tolist() == ["gained"]


def test_variants_away_from_hits_change_nothing():
    assert len(hits_of(Variant("c", 16 + 15, "T", "G"))) == 0
    assert list(hits_of().columns) == ALLELE_HIT_COLUMNS


def test_where_an_allele_stands():
    """In windows of 30 bp around SNV, deletion and insertion at 19 to 21."""
    for variant, spans in [
        (Variant("c", 19, "T", "A"), ((15, 16), (15, 16))),
        (Variant("c", 19, "TAC", "T"), ((14, 16), (14, 14))),
        (Variant("c", 19, "T", "TGG"), ((15, 15), (15, 17))),
    ]:
        for how in ("right", "left", "centre"):
            alleles = allele_windows([variant], SOURCE, AllelePolicy(30, how))
            (low, high), (first, last) = allele_spans(alleles, 0)
            assert (low, high) == spans[0] and last - first == spans[1][1] - spans[1][0]
            ref, alt = ("".join("ACGTN"[t] for t in x[0]) for x in (alleles.ref, alleles.alt))
            pos, gone, new = trim(variant.pos, variant.ref, variant.alt)
            assert (ref[low:high], alt[first:last]) == (gone, new)
            assert alt[:first].endswith(ref[low - 4 : low])
            assert alt[last : last + 4] == ref[high : high + 4]


def test_hits_in_words():
    columns = ["change", "motif", "name", "p_ref", "p_alt"]
    rows = [
        ("gained", "m1", "CTCF", np.nan, 2e-6),
        ("gained", "m2", "KLF4", np.nan, 1e-5),
        ("lost", "m3", "", 1e-7, np.nan),
        ("changed", "m4", "SP1", 1e-5, 1e-6),
    ]
    table = pd.DataFrame(rows, columns=columns)
    assert hits_in_words(table) == "loses m3 (p 1e-07), changes SP1 (p 1e-05 to 1e-06)"
    assert hits_in_words(table[:2]) == "gains CTCF (p 2e-06)"
    assert hits_in_words(table[:0]) == ""


def test_logos_of_both_alleles(tmp_path):
    rng = np.random.default_rng(0)
    values, letters = rng.normal(size=(2, 4, 30)), ("ACGTN" * 6, "TTTTT" * 6)
    logos = [AlleleLogo("c:5 A>G", *values, (15, 16), (15, 15), letters, "gains X")]
    save_allele_logos(logos, tmp_path / "a.svg", show_bp=20)
    save_allele_logos([], tmp_path / "b.svg")
    assert (tmp_path / "a.svg").stat().st_size > (tmp_path / "b.svg").stat().st_size
    with pytest.raises(ValueError):
        save_allele_logos(
            [AlleleLogo("x", np.zeros((3, 30)), np.zeros((3, 30)))], tmp_path / "c.svg"
        )
