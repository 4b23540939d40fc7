"""Pairs of sequences from FASTA files and from variants; ranks of edits."""

import gzip

import numpy as np
import pytest

from cisweep.errors import SequenceError
from cisweep.genome.fasta import NamedSequences, tokens_of_text
from cisweep.genome.variants.alleles import AllelePolicy, allele_windows
from cisweep.genome.variants.reading import Variant
from cisweep.plan.contents import zero_shot as pairs
from cisweep.plan.contents.zero_shot import (
    all_deletions,
    all_substitutions,
    pairs_of_alleles,
    read_pairs,
)

WILD = "ATTAAAGAAAATATCATCTTTGGTGTTTCCTAT"


def write(path, text):
    (gzip.open if path.suffix == ".gz" else open)(path, "wt").write(text)
    return path


def test_pairs_by_order_plain_and_gzip(tmp_path):
    ref = write(tmp_path / "ref.fa", ">a one\nACgt\nAC\n\n>b\nTTT\n>c\nG\n")
    alt = write(tmp_path / "alt.fa.gz", ">a\nAC\n>other\nTTTT\n>c\nC\n")
    pairs = list(read_pairs(ref, alt, "exon"))
    assert [(p.name, p.ref, p.alt, p.group) for p in pairs] == [
        ("a", "ACGTAC", "AC", "exon"),
        ("b|other", "TTT", "TTTT", "exon"),
        ("c", "G", "C", "exon"),
    ]
    assert len(list(read_pairs(ref, alt, limit=2))) == 2


def test_bad_pairs_have_a_message(tmp_path):
    ref = write(tmp_path / "ref.fa", ">a\nAC\n>b\nTT\n")
    short = write(tmp_path / "alt.fa", ">a\nAC\n")
    with pytest.raises(SequenceError, match=r"alt.fa: it has 1 records, and .*ref.fa has more"):
        list(read_pairs(ref, short))
    with pytest.raises(SequenceError, match=r"alt.fa: it has 1 records"):
        list(read_pairs(short, ref))
    with pytest.raises(SequenceError, match="no such FASTA file"):
        list(read_pairs(ref, tmp_path / "none.fa"))
    with pytest.raises(SequenceError, match=r"record 1 \(a\) has no bases"):
        list(read_pairs(write(tmp_path / "e.fa", ">a\n>b\nTT\n"), ref))
    with pytest.raises(SequenceError, match="x.fa, line 1: a FASTA file begins with >"):
        list(read_pairs(write(tmp_path / "x.fa", "ACGT\n"), ref))
    empty = write(tmp_path / "empty.fa", "")
    with pytest.raises(SequenceError, match="there are no records"):
        list(read_pairs(empty, empty))


def test_pairs_of_variants():
    source = NamedSequences({"c": tokens_of_text("ACGTTGCAAGCTTAGCCATG")})
    variants = [Variant("c", 8, "A", "T", "rs1", "exon"), Variant("c", 10, "C", "CGG")]
    pairs = pairs_of_alleles(allele_windows(variants, source, AllelePolicy(8)))
    assert [(p.name, p.ref, p.alt, p.group) for p in pairs] == [
        ("rs1", "TGCAAGCT", "TGCATGCT", "exon"),
        ("c:11:C:CGG", "AAGCTTAG", "AAGCGGTT", ""),
    ]


def test_edits_of_the_cftr_example():
    deletions, substitutions = all_deletions(WILD, 3), all_substitutions(WILD)
    assert len(deletions) == 31 and {len(s) for s in deletions} == {30}
    assert len(substitutions) == len(set(substitutions)) == 99
    assert "ATTAAAGAAAATATCATTGGTGTTTCCTAT" in deletions
    assert "ATAAAAGAAAATATCATCTTTGGTGTTTCCTAT" in substitutions
    assert all(sum(a != b for a, b in zip(s, WILD)) == 1 for s in substitutions)
    assert np.unique([len(s) for s in substitutions]).tolist() == [33]


def test_blocks_of_pairs_belong_to_the_bin_of_their_first_base(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "PAIRS_OF_BLOCK", 2)
    for name, n in (("r", 5), ("a", 5), ("r2", 2), ("a2", 2)):
        (tmp_path / f"{name}.fa").write_text("".join(f">{i}\n{'ACGT' * 5}\n" for i in range(n)))
    files = tuple((tmp_path / f"r{k}.fa", tmp_path / f"a{k}.fa") for k in ("", "2"))
    whole = {"c000000": range(0, 4)}  # 7 pairs of 20 bases are 4 blocks
    assert pairs.file_blocks(files, None, 1000) == whole
    expected = {"c000000": range(0, 2), "c000001": range(2, 3), "c000002": range(3, 4)}
    assert pairs.file_blocks(files, None, 60) == expected
    assert pairs.file_blocks(files, 1, 60) == {"c000000": range(0, 1)}  # one of each pair of files
