"""Regions and variants may stand in any order in their files, and need no index."""

import numpy as np
import pytest

from cisweep.genome.fasta import NamedSequences, tokens_of_text
from cisweep.genome.regions import WindowPolicy, read_bed, to_windows
from cisweep.genome.variants.reading import VariantPolicy
from cisweep.genome.variants.selection import Selection

SOURCE = NamedSequences({"b": tokens_of_text("ACGT" * 20), "a": tokens_of_text("GATC" * 20)})
HEAD = "##fileformat=VCFv4.2\n##contig=<ID=a>\n##contig=<ID=b>\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(params=[[0, 1, 2, 3], [3, 1, 0, 2]])
def order(request):
    return request.param


def test_variants(order, tmp_path):
    rows = [("b", 1, "A", "C"), ("b", 9, "A", "G"), ("a", 2, "A", "C"), ("a", 40, "C", "T")]
    path = tmp_path / "v.vcf"
    lines = [f"{c}\t{p}\t.\t{r}\t{a}\t.\t.\t.\n" for c, p, r, a in (rows[i] for i in order)]
    path.write_text(HEAD + COLUMNS + "".join(lines))
    (tmp_path / "folder").mkdir()
    wanted = Selection(path, SOURCE, VariantPolicy(), lambda chrom: True, tmp_path / "folder")
    # In the order of the genome, whatever that of the file.
    assert [(v.chrom, v.pos + 1, v.ref, v.alt) for v in wanted.kept()] == rows


def test_regions(order, tmp_path):
    rows = [("b", 10, 20), ("b", 40, 50), ("a", 10, 20), ("a", 30, 40)]
    path = tmp_path / "r.bed"
    path.write_text("".join("{}\t{}\t{}\n".format(*rows[i]) for i in order))
    policy = WindowPolicy(10, "drop", ".*", 0.1, {})
    windows, dropped = to_windows(read_bed(path), SOURCE.lengths, policy)
    found = zip(windows.chrom, windows.start, windows.end)
    assert [(c, int(s), int(e)) for c, s, e in found] == rows and not len(dropped)
    assert np.all(windows.end - windows.start == 10)
