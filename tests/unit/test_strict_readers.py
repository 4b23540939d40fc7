"""Readers take what other programs would read the same way, and refuse the rest by place."""

import gzip
import re
from codecs import BOM_UTF8

import numpy as np
import pytest

from cisweep.errors import CisweepError, ConfigError, GenomeError, MotifError, RegionError
from cisweep.genome.fasta import read_sequences, tokens_of_text
from cisweep.genome.motifs import load_motifs
from cisweep.genome.regions import read_bed, read_blacklist
from cisweep.plan.contents.design import read_priors
from cisweep.plan.contents.zero_shot import read_fasta
from cisweep.textfile import (
    control_letter,
    decimal_number,
    read_lines,
    read_rows,
    whole_number,
)
from cisweep.train.data.peaks import read_located_fasta

LATIN, BINARY = "name\tsequence\nä\tACGT\n".encode("latin-1"), bytes(range(256))


def refused(read, path, content, error, message):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value), caught.value
    return caught.value


# ---- cells -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "17", " 5 ", "-3", "+4", "000", "9" * 15])
def test_whole_numbers(text):
    assert whole_number(text) == int(text)


@pytest.mark.parametrize(
    "text", ["", " ", "5_00", "٥", "²", "1e3", "5.0", "0x5", "9" * 16, "1 2", "--1", "nan"]
)
def test_what_is_no_whole_number(text):
    assert whole_number(text) is None


def test_decimal_numbers():
    assert [decimal_number(t) for t in ("1", " -2.5e3 ", ".5")] == [1, -2500, 0.5]
    for text in ("", "1_0", "٥", "nan", "inf", "-inf", "1e999", "0x1p3", "1,5"):
        assert decimal_number(text) is None


def test_control_letters_are_named():
    assert control_letter("a b\"'{}<>é#") is None
    for letter in "\0\t\n\r\x0b\x1f\x7f\x85\u2028\ufeff":
        assert control_letter(f"a{letter}b") == repr(letter)


# ---- lines and rows ----------------------------------------------------------------------


def test_only_line_ends_end_lines(tmp_path):
    path = tmp_path / "x"
    path.write_bytes("a\x0bb\u2028c\x85d\x1ce\r\nf\rg\n".encode())
    assert read_lines(path, GenomeError) == ["a\x0bb\u2028c\x85d\x1ce", "f", "g"]
    path.write_bytes(b"")
    assert read_lines(path, GenomeError) == []
    refused(
        lambda p: read_lines(p, GenomeError), path, b"a\nb\0c\n", GenomeError, "line 2: it is no"
    )


def test_cells_may_be_quoted_and_long(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('"a","b ""c"", d"\n\n' + "A" * 300_000 + ",2\n")
    rows = list(read_rows(path, GenomeError, ","))
    assert rows == [(1, ["a", 'b "c", d']), (3, ["A" * 300_000, "2"])]
    refused(
        lambda p: list(read_rows(p, GenomeError, ",")), path, 'a,b\n"c,d\n', GenomeError,
        "cannot be read as a table at line 2",
    )  # fmt: skip


# ---- sequences ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LATIN, "cannot be read .'utf-8' codec"),
        (BINARY, "cannot be read"),
        (
            "name\tsequence\nx\tAC-GT\n",
            r"sequence 1 \('x'\) has the letter '-' at position 2 .*take",
        ),
        ("name\tsequence\nx\tA GT\n", "has the letter ' ' at position 1 .*take gaps out"),
        ("name\tsequence\nx\tACĀT\n", "has the letter 'Ā' at position 2"),
        ("name\tsequence\nx\tACUG\n", "has the letter 'U' at position 2 .*Mend: write T for U"),
        ("name\tsequence\nx\tAC5G\n", "has the letter '5' at position 2 .*IUPAC"),
        (">x\nAC\n>y\nAC\nG--T\n", r"sequence 2 \('y'\) has the letter '-' at position 3"),
        (">x\nMKLVV\n", "has the letter 'L' at position 2"),
        (">\nACGT\n", r"sequence 1 \(''\) has no name"),
        ("name\tsequence\n\tACGT\n", "has no name"),
        (">x\x01y\nACGT\n", r"has the letter '\\x01' in its name"),
        (">x\0y\nACGT\n", "line 1: it is not text: it contains a NUL byte"),
        ("name\tsequence\tsequence\nx\tA\tC\n", "names of columns stand twice: sequence"),
        (BOM_UTF8 * 2 + b"name\tsequence\nx\tA\n", "names of columns hold control letters"),
        ('name,sequence\n"x,ACGT\n', "cannot be read as a table at line 2"),
        ('name,sequence\n"x\ny",ACGT\n', r"has the letter '\\n' in its name"),
        (">x\nA\n" + BOM_UTF8.decode() + ">y\nC\n", r"has the letter '\\ufeff' at position 1"),
    ],
    ids=str,
)
def test_sequences_that_are_refused(tmp_path, content, message):
    refused(read_sequences, tmp_path / "s.tsv", content, GenomeError, message)


def test_a_fake_gzip(tmp_path):
    for content in (b"name\tsequence\nx\tACGT\n", b"\x1f\x8b" + bytes(40), b"", b"PK\x03\x04"):
        refused(read_sequences, tmp_path / "s.tsv.gz", content, GenomeError, "s.tsv.gz")


@pytest.mark.parametrize(
    "content",
    [
        b'"name","sequence"\n"x","ACGTN"\n"y","ryswkm"\n',
        BOM_UTF8 + b"name\tsequence\nx\tACGTN\ny\tryswkm\n",
        gzip.compress(BOM_UTF8 + b"name\tsequence\r\nx\tACGTN\r\ny\tryswkm\r\n", mtime=0),
        BOM_UTF8 + b">x some words\nACG\nTN\n>y\nryswkm\n",
        b"name\tsequence\n x \t ACGTN \ny\tryswkm\n",
        b">x\rACGTN\r>y\rryswkm\r",
    ],
)
def test_sequences_keep_their_names(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    source, names = read_sequences(tmp_path / "s")
    assert names == ["x", "y"]
    assert source.tokens("x", 0, 5).tolist() == [0, 1, 2, 3, 4]
    assert source.tokens("y", 0, 6).tolist() == [4] * 6


def test_letters_beyond_ascii_are_n():
    assert tokens_of_text("AĀ€C").tolist() == [0, 4, 4, 1]


@pytest.mark.parametrize("cell", ["٥", "1_0", "nan", "inf", "x", ""])
def test_numbers_of_a_column(tmp_path, cell):
    (tmp_path / "s").write_text(f"name\tsequence\tv\nx\tA\t{cell}\n")
    source, _ = read_sequences(tmp_path / "s")
    with pytest.raises(GenomeError, match="of sequence x is not a number"):
        source.column("v")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b">x\nAC\xe4GT\n", "cannot be read"),
        (b">x\nAC-GT\n", "sequence 'x' has the letter '-' at position 2"),
        (">x\nACĀ\n".encode(), "has the letter 'Ā' at position 2"),
        (b">x\0\nAC\n", r"has the letter '\\x00' in its name"),
        (b"ACGT\n", "line 1: a FASTA file begins with >"),
    ],
)
def test_pairs_that_are_refused(tmp_path, content, message):
    refused(lambda p: list(read_fasta(p)), tmp_path / "p.fa", content, CisweepError, message)


def test_places_of_a_located_fasta(tmp_path):
    for place in ("c:1_0-12", "c:١-3", "c:1e1-12", "c:-"):
        refused(
            read_located_fasta, tmp_path / "l.fa", f">{place}\nAC\n", CisweepError,
            "is not chrom:start-end",
        )  # fmt: skip
    text = "AC\n>c:1-3\nAC\n"
    message = "line 1: a FASTA file begins with >"
    refused(read_located_fasta, tmp_path / "l.fa", text, CisweepError, message)
    (tmp_path / "l.fa").write_text(">c:1-5 peak\nAC\n\n gT \n>d:0-4\r\nTTTT")
    windows, tokens = read_located_fasta(tmp_path / "l.fa")
    assert windows.keys() == ["c:1-5(.)", "d:0-4(.)"]
    assert tokens.tolist() == [[0, 1, 2, 3], [3] * 4]


def test_one_reader_of_fasta_takes_indents_of_the_first_header_alone(tmp_path):
    path = tmp_path / "i.fa"
    path.write_text("\n >a b\nAC\n GT \n>b\nT\n")
    assert list(read_fasta(path)) == [("a", "ACGT"), ("b", "T")]
    assert list(read_sequences(path)[0].lengths.items()) == [("a", 4), ("b", 1)]
    path.write_text(">a\nAC\n >b\nT\n")
    for read in (lambda p: list(read_fasta(p)), read_sequences):
        refused(read, path, path.read_bytes(), CisweepError, "has the letter '>' at position 2")


# ---- BED ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("chr1\t5_00\t600", "line 2: start '5_00' is not a whole number"),
        ("chr1\t٥\t600", "line 2: start '٥' is not a whole number"),
        ("chr1\t5\t٦", "line 2: end '٦' is not a whole number"),
        ("²\t²\t9", "line 2: start '²' is not a whole number"),
        ("chr1\t1e3\t6000", "start '1e3'"),
        ("chr1\t\t9", "start ''"),
        ("chr1\t5\t9223372036854775807", "end '9223372036854775807'"),
        ("chr1\t5\t9\ta\x0bb", r"line 2: chrom or name has the letter '\\x0b'"),
        ("ch\u2028r\t5\t9", r"line 2: chrom or name has the letter '\\u2028'"),
        ("\ufeffchr1\t5\t9", r"line 2: chrom or name has the letter '\\ufeff'"),
        ("chr1\t5\t9\tna\0me", "line 2: it is not text: it contains a NUL byte"),
    ],
)
def test_rows_of_bed_that_are_refused(tmp_path, row, message):
    refused(read_bed, tmp_path / "r.bed", f"chr1\t1\t2\n{row}\n", RegionError, message)


def test_numbers_of_bed(tmp_path):
    (tmp_path / "r.bed").write_text("c\t 5\t+9 \nc\t007\t10\n")
    found = read_bed(tmp_path / "r.bed")
    assert found.start.tolist() == [5, 7] and found.end.tolist() == [9, 10]
    summit = "c\t5\t9\tn\t0\t.\t1\t1\t1\t٢\n"
    refused(read_bed, tmp_path / "s.narrowPeak", summit, RegionError, "column 10. '٢' is not a")


def test_the_key_of_an_absent_file_is_its_own(tmp_path):
    with pytest.raises(RegionError, match=r"no\.bed: no such BED file\. Mend: correct regions\.bl"):
        read_blacklist([tmp_path / "no.bed"])
    with pytest.raises(RegionError, match="Mend: correct steps.ism.bed"):
        read_bed(tmp_path / "no.bed", key="steps.ism.bed")
    with pytest.raises(RegionError, match="Mend: correct regions.bed"):
        read_bed(tmp_path / "no.bed")


# ---- priors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "chr1\t5_0\t90\tA\t1", "chr1\t٥\t90\tA\t1", "chr1\t5\t90\tA\t1_0", "chr1\t5\t90\tA\tnan",
        "chr1\t5\t90\tA\tinf", "chr1\t5\t90\tA\t1e99", "chr1\t5\t90\tU\t1", "chr1\t90\t5\tA\t1",
        "chr1\t5\t90\tA", "chr1\t5\t90\tA\t1\t2",
    ],
)  # fmt: skip
def test_lines_that_are_no_prior(tmp_path, line):
    fault = refused(
        read_priors, tmp_path / "p.tsv", f"# x\n{line}\n", ConfigError, "is not a prior"
    )
    assert fault.where.endswith("p.tsv, line 2")


def test_priors(tmp_path):
    path = tmp_path / "p.tsv"
    refused(read_priors, path, BINARY, ConfigError, "cannot be read")
    refused(read_priors, path, "# none\n", ConfigError, "the file has no priors")
    path.write_text("c\t5\t9\ta\t-2.5\nc\t5\t9\t*\t-inf\n")
    assert read_priors(path) == [("c", 5, 9, "A", -2.5), ("c", 5, 9, "*", -np.inf)]


# ---- MEME --------------------------------------------------------------------------------

MEME = (
    "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF m one\n"
    "letter-probability matrix: alength= 4 w= 1 nsites= 3 E= 1e-999\n1 0 0 0\n"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("w= 1", "w= 1e400", "line 6: motif m: cannot read"),
        ("w= 1", "w= nan", "cannot read"),
        ("w= 1", "w= 1e30", "has 1 matrix rows, its header says w= 1000"),
        ("w= 1", "w= -1", "has w= -1"),
        ("w= 1", "w= 1.1.1", "cannot read"),
        ("alength= 4", "alength= 1e999", "cannot read"),
        ("nsites= 3", "nsites= inf", "cannot read"),
        ("nsites= 3", "nsites= ٣", "cannot read"),
        ("1 0 0 0", "١ 0 0 0", "line 7: motif m has 0 matrix rows, its header says w= 1"),
        ("1 0 0 0", "1_0 0 0 0", "has 0 matrix rows"),
        ("1 0 0 0", "nan 0 0 1", "is not made of probabilities"),
        ("1 0 0 0", "1e308 1e308 0 0", "holds counts"),
        ("version 4", "version ٤", "this is not a MEME file"),
        ("version 4", "version " + "4" * 5000, "MEME version 444"),
        ("MOTIF m", "MOTIF m\x01", r"line 5: a motif's name has the letter '\\x01'"),
        ("MOTIF m", "MOTIF m\0", "line 5: it is not text: it contains a NUL byte"),
    ],
)  # fmt: skip
def test_meme_files_that_are_refused(tmp_path, old, new, message):
    refused(load_motifs, tmp_path / "m.meme", MEME.replace(old, new), MotifError, message)


def test_an_e_value_beyond_floats_is_not_read(tmp_path):
    (tmp_path / "m.meme").write_text(MEME.replace("E= 1e-999", "E= 1e+9999"))
    assert load_motifs(tmp_path / "m.meme")[0].nsites == 3
    assert re.fullmatch("A", load_motifs(tmp_path / "m.meme")[0].consensus)
