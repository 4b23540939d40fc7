"""The selection of variants by blocks on disk equals the selection in memory."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.errors import VariantError
from cisweep.genome.fasta import NamedSequences, tokens_of_text
from cisweep.genome.variants.reading import VariantPolicy, dropped_variants_table, iter_variants
from cisweep.genome.variants.selection import Selection, SortedOnDisk

GENOME = NamedSequences(
    {
        "b": tokens_of_text("GGGATTTTTTCACACACGATNNACGTTGCA"),
        "a": tokens_of_text("ACGTACGTAAAAAAAAAC"),
    }
)
POLICY = VariantPolicy(max_dropped=1.0)
LINES = """b 4 A G|b 4 A G,G,*|a 1 A C,T|a 13 AA A|a 16 AA A|a 9 A AA|b 10 T TT|b 6 T .|z 1 A C
b 20 T A|a 3 G A|a 18 C G"""
ROWS = st.lists(
    st.sampled_from([r.replace(" ", "\t") for r in LINES.replace("\n", "|").split("|")]),
    min_size=3,
    max_size=25,
)


@settings(deadline=None, max_examples=80)
@given(ROWS, st.integers(1, 6), st.booleans())
def test_blocks_on_disk_change_nothing(rows, block, only_a):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.tsv"
        path.write_text("chrom\tpos_1based\tref\talt\n" + "\n".join([*rows, "b\t1\tG\tC"]) + "\n")
        expected = list(iter_variants(path, GENOME, POLICY))
        parts = Path(folder) / "parts"
        parts.mkdir()

        def wanted(chrom):
            return chrom == "a" or not only_a

        found = Selection(path, GENOME, POLICY, wanted, parts, block)
        kept, dropped = list(found.kept()), list(found.dropped())
    rank = list(GENOME.lengths)
    good = [v for v in expected if not v.reason]
    places = sorted(good, key=lambda v: (rank.index(v.chrom), v.pos, v.ref, v.alt))
    assert kept == [v for v in places if wanted(v.chrom)]
    as_it_was = [
        (v.row, v.source, v.reason or "excluded_chromosome")
        for v in expected
        if v.reason or not wanted(v.chrom)
    ]
    assert [(v.row, v.source, v.reason) for v in dropped] == as_it_was
    assert found.n_dropped == len(dropped)


def test_reference_blocks_are_counted_in_one_row_of_each_reason(tmp_path):
    path = tmp_path / "v.tsv"
    rows = ["b\t4\tA\tG,<NON_REF>", *(f"b\t{p}\tT\t<*>" for p in (5, 6, 7)), "a\t1\tA\t*"]
    rows += ["z\t1\tA\t<NON_REF>", "b\t8\tT\t<NON_REF>", "z\t2\tA\tC"]
    path.write_text("chrom\tpos_1based\tref\talt\n" + "\n".join(rows) + "\n")
    found = Selection(path, GENOME, POLICY, lambda c: True, tmp_path, 2)
    assert [v.row for v in found.kept()] == [1]
    table = dropped_variants_table(found.dropped())
    assert (found.n_dropped, found.n_blocks, len(table)) == (8, 7, 4)
    assert table[["chrom", "start", "reason"]].to_numpy().tolist() == [
        ["b", 3, "non_ref_allele"],
        ["a", 0, "star_allele"],
        ["z", 0, "unknown_chromosome"],
        ["z", 1, "unknown_chromosome"],
    ]
    assert table["detail"][0] == (
        "row 1: ALT <NON_REF> is not a sequence; so 5 alleles of reference blocks (<NON_REF>, <*>) "
        "to row 7"
    )
    assert table["detail"][2] == "row 6: not in the genome"


def test_faults_of_the_whole_file_are_told_at_the_end(tmp_path):
    path = tmp_path / "v.tsv"
    path.write_text("chrom\tpos_1based\tref\talt\n" + "a\t1\tC\tG\n" * 3 + "a\t1\tA\tG\n")
    with pytest.raises(VariantError, match="REF differs from the genome in 3 of 4 variants"):
        list(Selection(path, GENOME, POLICY, lambda c: True, tmp_path, 1).kept())


@given(st.lists(st.tuples(st.integers(0, 5), st.integers())), st.integers(1, 4))
def test_sorting_on_disk_is_stable(items, block):
    with tempfile.TemporaryDirectory() as folder:
        found = SortedOnDisk(Path(folder), lambda item: item[0], block)
        for item in items:
            found.add(item)
        assert list(found) == sorted(items, key=lambda item: item[0])
