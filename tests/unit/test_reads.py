"""5' ends of BAM and fragment files, against a walk over the rows in plain Python."""

import gzip

import numpy as np
import pyBigWig
import pysam
import pytest

from cisweep.errors import GenomeError
from cisweep.genome.reads import EndCounting, count_ends, read_chromosomes
from cisweep.outputs.bigwig import write_counts

LENGTHS = {"chrB": 3000, "chrA": 500, "empty": 40}
SHIFTED = EndCounting(plus_shift_bp=4, minus_shift_bp=-4)
# Flags of SAM: unmapped, secondary, failed, duplicate, supplementary.
LEFT_OUT = (0x4, 0x100, 0x200, 0x400, 0x800)


def drawn_reads(n=400):
    """Rows (chrom, start, length, minus, mapq, flag), of which a fifth has a flag."""
    generator = np.random.default_rng(5)
    rows = []
    for _ in range(n):
        chrom = ["chrB", "chrA"][generator.integers(2)]
        length = int(generator.integers(20, 60))
        start = int(generator.integers(0, LENGTHS[chrom] - length + 1))
        flag = int(generator.choice(LEFT_OUT)) if generator.random() < 0.2 else 0
        rows.append(
            (chrom, start, length, bool(generator.integers(2)), int(generator.integers(60)), flag)
        )
    # Ends at both ends of a chromosome, which a shift moves out.
    edges = [(0, True), (480, False), (480, True)]
    return rows + [("chrA", start, 20, minus, 60, 0) for start, minus in edges]


def write_bam(path, rows, lengths=LENGTHS, index=True):
    names = list(lengths)
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": c, "LN": n} for c, n in lengths.items()],
    }
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for i, row in enumerate(sorted(rows, key=lambda r: (names.index(r[0]), r[1]))):
            chrom, start, length, minus, mapq, flag = row
            read = pysam.AlignedSegment(file.header)
            read.query_name, read.query_sequence = f"r{i}", "A" * length
            read.flag = flag | (0x10 if minus else 0)
            read.reference_id, read.reference_start = names.index(chrom), start
            read.mapping_quality, read.cigar = mapq, [(0, length)]
            file.write(read)
    if index:
        pysam.index(str(path))
    return path


def walked(rows, counting):
    counts = {c: np.zeros((2, n), int) for c, n in LENGTHS.items()}
    for chrom, start, length, minus, mapq, flag in rows:
        if flag or mapq < counting.min_mapq:
            continue
        place = (
            start + length - 1 + counting.minus_shift_bp
            if minus
            else start + counting.plus_shift_bp
        )
        if 0 <= place < LENGTHS[chrom]:
            counts[chrom][int(minus), place] += 1
    return counts


def joined(blocks):
    counts = {c: np.zeros((2, n), int) for c, n in LENGTHS.items()}
    for chrom, start, part in blocks:
        counts[chrom][:, start : start + part.shape[1]] += part
    return counts


@pytest.mark.parametrize("counting", [EndCounting(), SHIFTED, EndCounting(1, 30, 20)])
@pytest.mark.parametrize("block", [37, 4_000_000])
def test_ends_of_a_bam(tmp_path, monkeypatch, counting, block):
    monkeypatch.setattr("cisweep.genome.reads._BLOCK_BP", block)
    rows = drawn_reads()
    path = write_bam(tmp_path / "r.bam", rows)
    found, expected = joined(count_ends(path, LENGTHS, counting)), walked(rows, counting)
    assert all(np.array_equal(found[c], expected[c]) for c in LENGTHS)
    assert expected["chrB"].sum() > 100


def write_fragments(path, rows, before=""):
    text = before + "".join(f"{c}\t{s}\t{s + n}\tcell\t3\n" for c, s, n in rows)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt") as handle:
        handle.write(text)
    return path


@pytest.mark.parametrize("name", ["f.tsv.gz", "f.bed"])
def test_a_fragment_has_an_end_on_each_strand(tmp_path, monkeypatch, name):
    monkeypatch.setattr("cisweep.genome.reads._ROWS", 7)
    # The order of the file is not the genome's, and one chromosome is unknown.
    places = [(c, s, n) for c, s, n, *_ in sorted(drawn_reads())] + [("scaffold", 1, 9)]
    path = write_fragments(tmp_path / name, places, "# of 10x\n#\n")
    both = [(c, s, n, minus, 60, 0) for c, s, n in places[:-1] for minus in (False, True)]
    assert list(read_chromosomes(path, LENGTHS)) == ["chrA", "chrB", "empty"]
    found, expected = joined(count_ends(path, LENGTHS, SHIFTED)), walked(both, SHIFTED)
    assert all(np.array_equal(found[c], expected[c]) for c in LENGTHS)


def test_a_track_holds_every_count(tmp_path):
    rows = drawn_reads(3000)
    path = write_bam(tmp_path / "r.bam", rows)
    blocks = ((c, s, n[0]) for c, s, n in count_ends(path, LENGTHS))
    write_counts(tmp_path / "plus.bw", LENGTHS, blocks)
    expected = walked(rows, EndCounting())
    with pyBigWig.open(str(tmp_path / "plus.bw")) as file:
        assert file.chroms() == LENGTHS
        for chrom, length in LENGTHS.items():
            values = np.nan_to_num(file.values(chrom, 0, length, numpy=True))
            assert np.array_equal(values, expected[chrom][0])
            assert all(value > 0 for _, _, value in file.intervals(chrom) or ())  # no entry of 0
        assert file.intervals("empty") is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("chrA", 480, 30)], "f.tsv, row 1: fragment chrA:480-510 leaves its chromosome of 500"),
        ([("chrB", 5, 9), ("chrA", 5, 0)], "f.tsv, row 2: fragment chrA:5-5 leaves"),
        ([("chrA", 1, 9), ("chrB", 1, 9), ("chrA", 2, 9)], "row 3: chromosome chrA stands in two"),
        ([("1", 5, 9)], "f.tsv: has no chromosome of the genome .it has 1"),
        ([("chrA", 1, 9), ("", 1, 9)], "f.tsv: rows are not chrom, .* .row 2 has no chromosome"),
        ([], "f.tsv: has no fragment"),
    ],
)
def test_broken_fragments(tmp_path, rows, message):
    path = write_fragments(tmp_path / "f.tsv", rows)
    with pytest.raises(GenomeError, match=message):
        list(count_ends(path, LENGTHS))


@pytest.mark.parametrize("name", ["NA", "nan", "null"])
def test_a_chromosome_is_a_name_whatever_it_is(tmp_path, name):
    path = write_fragments(tmp_path / "f.tsv", [(name, 1, 9)])
    assert [chrom for chrom, _, n in count_ends(path, {name: 20}) if n.any()] == [name]


def test_what_does_not_parse(tmp_path):
    path = tmp_path / "f.bed"
    path.write_text("chrA\tone\t9\n")
    with pytest.raises(GenomeError, match="f.bed: rows are not chrom, start, end .*one"):
        list(count_ends(path, LENGTHS))
    path.write_text("chrA\t2\t22222222222222222222\n")
    with pytest.raises(GenomeError, match="f.bed: rows are not chrom, start, end .*Overflow"):
        list(count_ends(path, LENGTHS))
    broken = tmp_path / "r.bam"
    broken.write_bytes(b"no BAM")
    with pytest.raises(GenomeError, match="r.bam: not a readable BAM"):
        list(count_ends(broken, LENGTHS))
    with pytest.raises(GenomeError, match="x.bam: no such file of reads"):
        list(count_ends(tmp_path / "x.bam", LENGTHS))


def test_bam_of_another_genome_or_without_index(tmp_path):
    rows = [("chrA", 5, 20, False, 60, 0)]
    bare = write_bam(tmp_path / "bare.bam", rows, index=False)
    with pytest.raises(GenomeError, match="has no index. Mend: run: samtools index .*bare.bam"):
        list(count_ends(bare, LENGTHS))
    other = write_bam(tmp_path / "other.bam", rows, {"chrA": 700})
    with pytest.raises(GenomeError, match="chrA has 700 bp, and 500 in the genome"):
        list(count_ends(other, LENGTHS))
    with pytest.raises(GenomeError, match="has no chromosome of the genome .it has chrA"):
        list(count_ends(other, {"1": 700}))


@pytest.mark.slow
def test_real_fragments_have_two_ends_each(shared_data, tmp_path):
    from cisweep.genome.fasta import Genome

    lengths = Genome(shared_data / "yeast/sacCer3.fa.gz").lengths
    path = shared_data / "yeast/atac_fragments.tsv.gz"
    with gzip.open(path, "rt") as handle:
        rows = sum(line.split("\t")[0] in lengths for line in handle)
    total = sum(n.sum() for _, _, n in count_ends(path, read_chromosomes(path, lengths)))
    assert total == 2 * rows > 400_000
