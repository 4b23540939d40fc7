"""Genome: plain and bgzip FASTA give the same tokens, whatever the lines look like."""

import numpy as np
import pysam
import pytest

from cisweep.errors import GenomeError
from cisweep.genome.fasta import (
    Genome,
    NamedSequences,
    read_sequences,
    tokens_of_text,
    window_tokens,
    word_counts,
)

LETTERS = "ACGTacgtNnRY"
TOKEN = dict(zip(LETTERS, [0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 4, 4]))


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    rng = np.random.default_rng(0)
    return {n: "".join(rng.choice(list(LETTERS), size)) for n, size in (("a", 257), ("b", 60))}


def write(path, texts, width: int, newline: str = "\n"):
    with open(path, "w", newline="") as handle:
        for name, text in texts.items():
            handle.write(f">{name} words{newline}")
            for i in range(0, len(text), width):
                handle.write(text[i : i + width] + newline)
    return path


@pytest.fixture(scope="module", params=["lines of 50", "one line", "CRLF", "bgzip"])
def genome(request, texts, tmp_path_factory) -> Genome:
    path = tmp_path_factory.mktemp("fasta") / "g.fa"
    newline = "\r\n" if request.param == "CRLF" else "\n"
    write(path, texts, 1000 if request.param == "one line" else 50, newline)
    if request.param == "bgzip":
        pysam.tabix_compress(str(path), f"{path}.gz")
        path = path.with_name("g.fa.gz")
    pysam.faidx(str(path))
    return Genome(path)


def test_every_stretch_is_that_of_the_text(genome, texts):
    assert genome.lengths == {"a": 257, "b": 60}
    rng = np.random.default_rng(1)
    for name, text in texts.items():
        wanted = np.array([TOKEN[c] for c in text], dtype=np.uint8)
        places = [(0, len(text)), (49, 51), (50, min(100, len(text))), (len(text) - 1, len(text))]
        places += [tuple(sorted(rng.integers(0, len(text) + 1, 2))) for _ in range(40)]
        for start, end in places:
            got = genome.tokens(name, int(start), int(end))
            np.testing.assert_array_equal(got, wanted[start:end])
            assert got.dtype == np.uint8


def test_beyond_the_chromosome_is_n(genome, texts):
    got = genome.tokens("b", -3, 65)
    assert got[:3].tolist() == [4] * 3 and got[63:].tolist() == [4] * 5
    np.testing.assert_array_equal(got[3:63], genome.tokens("b", 0, 60))
    assert genome.tokens("b", 100, 103).tolist() == [4, 4, 4]
    assert genome.tokens("b", -5, -1).tolist() == [4] * 4


def test_word_counts_do_not_depend_on_blocks(genome, texts):
    bases = np.bincount([TOKEN[c] for c in "".join(texts.values())], minlength=5).tolist()
    pairs = {a + b: 0 for a in "ACGT" for b in "ACGT"}
    for text in texts.values():
        for a, b in zip(text.upper(), text.upper()[1:]):
            if a + b in pairs:
                pairs[a + b] += 1
    assert word_counts(genome) == word_counts(genome, block_bp=7) == (bases, pairs)


def test_windows_are_those_read_one_by_one(genome):
    rng = np.random.default_rng(2)
    start = np.sort(rng.integers(-10, 250, 50))
    chrom = np.array(["a"] * 30 + ["b"] * 20, dtype=object)
    start[30:] = np.sort(rng.integers(-10, 55, 20))
    got = window_tokens(genome, chrom, start, start + 12)
    for row, c, s in zip(got, chrom, start):
        np.testing.assert_array_equal(row, genome.tokens(c, int(s), int(s) + 12))
    assert window_tokens(genome, chrom[:0], start[:0], start[:0]).shape[0] == 0


def test_errors_name_the_file_and_the_mend(tmp_path, texts):
    with pytest.raises(GenomeError, match=r"nothing.fa: no such FASTA file"):
        Genome(tmp_path / "nothing.fa")
    path = write(tmp_path / "g.fa", texts, 50)
    with pytest.raises(GenomeError, match=r"has no index\. Mend: samtools faidx .*g\.fa"):
        Genome(path)
    (tmp_path / "g.fa.fai").write_text("a\t257\tx\t50\t51\n")
    with pytest.raises(GenomeError, match="line 1 of the index is not name, length"):
        Genome(path)
    (tmp_path / "g.fa.fai").write_text("")
    with pytest.raises(GenomeError, match="the index is empty"):
        Genome(path)
    (tmp_path / "g.fa.fai").write_text("a\t99999\t9\t50\t51\n")
    with pytest.raises(GenomeError, match="a: the file has fewer than its 99999 bases"):
        Genome(path).tokens("a", 0, 99999)
    with pytest.raises(GenomeError, match="no chromosome 'z'"):
        Genome(path).tokens("z", 0, 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.fa", "g.fa.fai"]


def test_a_file_that_is_cut_off_after_it_was_checked(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">a\n" + "ACGT" * 50 + "\n")
    (tmp_path / "g.fa.fai").write_text("a\t200\t3\t200\t201\n")
    genome = Genome(path)
    genome.check(["a"])
    path.write_text(">a\n" + "ACGT" * 20 + "\n")
    with pytest.raises(GenomeError, match="a:0-200 gave 80 of 200 bases; the index does not fit"):
        genome.tokens("a", 0, 200)


def test_gzip_is_not_bgzip(tmp_path):
    import gzip

    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(b">a\nACGT\n"))
    (tmp_path / "g.fa.gz.fai").write_text("a\t4\t3\t4\t5\n")
    with pytest.raises(GenomeError, match=r"no \.gzi index.*bgzip \(not gzip\)"):
        Genome(path)


@pytest.mark.parametrize(
    "text",
    [
        ">x one\nAC\nGT\n>y\nTTN\n",
        "name\tsequence\tv\nx\tACGT\t1\ny\tTTN\t2\n",
        "sequence,name\nACGT,x\nTTN,y\n",
        "\n>x\r\nACGT\r\n>y\r\nTTN\r\n",
    ],
)
def test_sequences_of_fasta_and_tables(tmp_path, text):
    (tmp_path / "s").write_text(text, newline="")
    source, names = read_sequences(tmp_path / "s")
    assert names == ["x", "y"] and source.lengths == {"x": 4, "y": 3}
    assert source.tokens("x", -1, 5).tolist() == [4, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs the columns name and sequence"),
        ("name\tseq\nx\tA\n", "needs the columns name and sequence; found"),
        ("name\tsequence\n", "no sequence in the file"),
        (">x\nA\n>x\nC\n", "'x' occurs twice"),
        ("name\tsequence\tv\nx\tA\t1\n\ny\tC\n", "line 4: 2 fields, and the header has 3"),
    ],
)
def test_sequences_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "s").write_text(text)
    with pytest.raises(GenomeError, match=message):
        read_sequences(tmp_path / "s")


def test_identity_follows_letters():
    one = NamedSequences({"a": tokens_of_text("ACGT")})
    two = NamedSequences({"a": tokens_of_text("ACGA")})
    assert one.identity != two.identity
    assert one.identity == NamedSequences({"a": tokens_of_text("acgt")}).identity
