"""Genes of a GTF: one transcript each, places from 1-based rows, refusals with place and mend."""

import gzip

import numpy as np
import pytest

from cisweep.errors import RegionError
from cisweep.genome.gtf import Gene, bed12, check_genes, nearest_genes, read_genes


def row(chrom, kind, start_1based, end, strand, **attributes) -> str:
    text = " ".join(f'{key} "{value}";' for key, value in attributes.items())
    return f"{chrom}\tx\t{kind}\t{start_1based}\t{end}\t.\t{strand}\t.\t{text}\n"


TEXT = "#!genome\n" + "".join([
    row("c1", "gene", 101, 900, "+", gene_id="g1", gene_name="ABC1"),
    row("c1", "transcript", 101, 300, "+", gene_id="g1", transcript_id="t1", gene_name="ABC1"),
    row("c1", "exon", 101, 120, "+", gene_id="g1", transcript_id="t1", gene_name="ABC1"),
    row("c1", "exon", 281, 300, "+", gene_id="g1", transcript_id="t1", gene_name="ABC1"),
    row("c1", "exon", 851, 900, "+", gene_id="g1", transcript_id="t2", gene_name="ABC1"),
    row("c1", "exon", 501, 550, "+", gene_id="g1", transcript_id="t2"),
    row("c1", "CDS", 501, 550, "+", gene_id="g1", transcript_id="t2", gene_name="ABC1"),
    row("c2", "gene", 1, 50, "-", gene_id="g2"),
    row("c2", "gene", 200, 250, "-", gene_id="g3"),
])  # fmt: skip
G1 = Gene("c1", 500, 900, "+", "ABC1", ((500, 550), (850, 900)))
G2 = Gene("c2", 0, 50, "-", "g2", ((0, 50),))


@pytest.mark.parametrize("name", ["x.gtf", "x.gtf.gz"])
def test_a_gene_is_its_transcript_with_the_most_bases(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT.encode()) if name.endswith(".gz") else TEXT.encode())
    found = read_genes(path, lambda chrom, start, end: True)
    assert found == [G1, G2, Gene("c2", 199, 250, "-", "g3", ((199, 250),))]
    assert bed12(G1) == "c1\t500\t900\tABC1\t0\t+\t900\t900\t0\t2\t50,50\t0,350\n"
    check_genes(path, ["c2"])


def test_genes_that_touch_a_place_are_kept_whole(tmp_path):
    (tmp_path / "x.gtf").write_text(TEXT)

    def touches(start, end):
        return lambda chrom, low, high: chrom == "c2" and low < end and start < high

    assert read_genes(tmp_path / "x.gtf", touches(49, 60)) == [G2]
    assert read_genes(tmp_path / "x.gtf", touches(50, 60)) == []


def test_the_nearest_gene_is_inside_upstream_or_downstream():
    def gene(name, start, end, strand="+", chrom="c1"):
        return Gene(chrom, start, end, strand, name, ((start, end),))

    # B lies in A, which reaches farther; C reads to the left.
    genes = [gene("C", 900, 950, "-"), gene("A", 100, 600), gene("B", 200, 300)]
    places = {
        0: ("A", -100), 99: ("A", -1), 100: ("A", 0), 599: ("A", 0), 600: ("A", 1), 700: ("A", 101),
        800: ("C", 100), 899: ("C", 1), 949: ("C", 0), 960: ("C", -11),
    }  # fmt: skip
    names, bp = nearest_genes(
        genes, np.array(["c1"] * len(places) + ["c2"]), np.array([*places, 5])
    )
    assert list(zip(names, bp.tolist())) == [*places.values(), ("", 0)]
    # Any genes: the smallest distance of all of them, one after the other.
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 2000, 40)
    genes = [gene(f"g{s}", int(s), int(s + w)) for s, w in zip(starts, rng.integers(1, 200, 40))]
    at = np.arange(2300)
    _, bp = nearest_genes(genes, np.array(["c1"] * len(at)), at)
    every = np.array([[max(g.start - i, i - g.end + 1, 0) for g in genes] for i in at.tolist()])
    assert abs(bp).tolist() == every.min(axis=1).tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c1\tx\texon\t5\t9\n", "line 2: a row has 5 columns, and one of GTF has 9"),
        ("c1\tx\texon\t0\t9\t.\t+\t.\tgene_id \"a\"\n", "line 2: start '0' and end '9' are no"),
        ("c1\tx\texon\t9\t5\t.\t+\t.\tgene_id \"a\"\n", "start '9' and end '5' are no place"),
        ("c1\tx\texon\tx\t5\t.\t+\t.\tgene_id \"a\"\n", "start 'x'"),
        ("c1\tx\texon\t1\t5\t.\t+\t.\tID=a;Parent=b\n", "line 2: a row has no gene_id"),
        ("", "the GTF file has no rows"),
    ],
)  # fmt: skip
def test_what_is_no_gtf_is_refused_with_its_line(tmp_path, text, says):
    path = tmp_path / "x.gtf"
    path.write_text("# a remark\n" + text)
    with pytest.raises(RegionError, match="gffread -T") as error:
        check_genes(path, ["c9"])
    assert says in str(error.value) and str(path) in str(error.value)


def test_genes_of_another_genome_are_refused(tmp_path):
    (tmp_path / "x.gtf").write_text(TEXT)
    with pytest.raises(RegionError, match=r"none of its chromosomes \(c1, c2\) is in the genome"):
        check_genes(tmp_path / "x.gtf", ["chr1"])
