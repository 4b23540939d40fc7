"""A .fai that is not of its FASTA is found out by the contigs it leads to; so is a .gzi."""

import struct

import numpy as np
import pysam
import pytest

from cisweep.errors import GenomeError
from cisweep.genome import fasta_index
from cisweep.genome.bgzf import BgzipFile
from cisweep.genome.fasta import Genome

TEXTS = {"chrA": "ACGTTGCA" * 20, "chrB": "TTGACA" * 9, "chrC": "GATTACA"}


def write(path, texts=TEXTS, width=50, newline="\n", tail="\n"):
    lines = []
    for name, text in texts.items():
        lines += [f">{name} some words", *(text[i : i + width] for i in range(0, len(text), width))]
    path.write_bytes((newline.join(lines) + tail).encode())
    return path


def indexed(path, **how):
    pysam.faidx(str(write(path, **how)))
    return path


def check(path):
    genome = Genome(path)
    genome.check(genome.lengths)


@pytest.mark.parametrize("bgzip", [False, True])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"width": 1000},
        {"width": 20},
        {"width": 7},
        {"newline": "\r\n", "tail": "\r\n"},
        {"tail": ""},
        {"width": 7, "tail": ""},
        {"tail": "\n\n\n"},
        {"texts": {"one": "A"}},
        {"texts": {f"c{i}": "ACGT" * (i + 1) for i in range(50)}},
        {"texts": {"wörter": "ACGT", "x" * 3000: "ACGT", "b": "AC"}},
    ],
    ids=str,
)
def test_an_index_of_samtools_fits(tmp_path, how, bgzip):
    path = write(tmp_path / "g.fa", **how)
    if bgzip:
        pysam.tabix_compress(str(path), f"{path}.gz")
        path = tmp_path / "g.fa.gz"
    pysam.faidx(str(path))
    check(path)


def other_lengths(path):
    write(path, {**TEXTS, "chrA": TEXTS["chrA"] + "A"})


def other_order(path):
    write(path, dict(reversed(TEXTS.items())))


def other_names(path):
    write(path, {name.replace("chr", "Chr"): text for name, text in TEXTS.items()})


def other_lines(path):
    write(path, width=40)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-5])


def longer(path):
    write(path, {**TEXTS, "chrC": TEXTS["chrC"] + "ACGT"})


def swapped_names(path):
    text = path.read_text().replace("chrA", "chr_").replace("chrB", "chrA").replace("chr_", "chrB")
    path.write_text(text)


FASTA_EDITS = [
    (other_lengths, "chrB: before byte .* there is .*, not its header line"),
    (other_order, "chrA: before byte 17 there is '>chrC some words'"),
    (other_names, "chrA: before byte 17 there is '>ChrA some words'"),
    (other_lines, "chrA: its first line does not have 50 bases"),
    (cut_off, "chrC: the file has fewer than its 7 bases"),
    (longer, "chrC: the file has more than its 7 bases"),
    (swapped_names, "chrA: before byte 17 there is '>chrB some words'"),
]


@pytest.mark.parametrize("bgzip", [False, True])
@pytest.mark.parametrize(("edit", "message"), FASTA_EDITS)
def test_a_stale_index_is_refused(tmp_path, edit, message, bgzip):
    path = indexed(tmp_path / "g.fa")
    if bgzip:
        pysam.tabix_compress(str(path), f"{path}.gz")
        pysam.faidx(f"{path}.gz")
        old = (tmp_path / "g.fa.gz.fai").read_bytes()
        edit(path)
        pysam.tabix_compress(str(path), f"{path}.gz", force=True)
        pysam.faidx(f"{path}.gz")
        (tmp_path / "g.fa.gz.fai").write_bytes(old)
        path = tmp_path / "g.fa.gz"
    else:
        edit(path)
    with pytest.raises(GenomeError, match=message) as error:
        check(path)
    assert f"{path}: the index {path.name}.fai does not belong to the file" in str(error.value)
    assert error.value.mend.startswith(f"rm {path}.fai")


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        (1, 1, "chrA: the file has fewer than its 161 bases"),
        (1, -1, "chrA: the file has more than its 159 bases"),
        (1, -60, "chrA: the file has more than its 100 bases"),
        (2, 1, "chrA: before byte 18 there is"),
        (2, 51, "chrA: before byte 68 there is"),
        (2, 10**9, "chrA: before byte 1000000017 there is ''"),
        (3, 1, "chrA: its first line does not have 51 bases"),
        (4, 1, "chrA: its first line does not have 50 bases"),
    ],
)
def test_an_edited_index_is_refused(tmp_path, column, change, message):
    path = indexed(tmp_path / "g.fa")
    fai = tmp_path / "g.fa.fai"
    first, *rest = fai.read_text().splitlines()
    cells = first.split("\t")
    cells[column] = str(int(cells[column]) + change)
    fai.write_text("\n".join(["\t".join(cells), *rest]) + "\n")
    with pytest.raises(GenomeError, match=message):
        check(path)


def test_only_the_chromosomes_in_use_are_looked_at(tmp_path):
    path = indexed(tmp_path / "g.fa")
    cut_off(path)
    genome = Genome(path)
    genome.check(["chrA", "chrB"])
    with pytest.raises(GenomeError, match="chrC"):
        genome.check(["chrB", "chrC"])


@pytest.mark.parametrize("bgzip", [False, True])
def test_a_chromosome_is_compared_when_it_is_first_read(tmp_path, bgzip):
    path = indexed(tmp_path / "g.fa")
    if bgzip:
        cut_off(path)
        pysam.tabix_compress(str(path), f"{path}.gz")
        pysam.faidx(f"{path}.gz")
        (tmp_path / "g.fa.gz.fai").write_bytes((tmp_path / "g.fa.fai").read_bytes())
        path = tmp_path / "g.fa.gz"
    else:
        cut_off(path)
    genome = Genome(path)
    assert "".join("ACGT"[t] for t in genome.tokens("chrA", 0, 160)) == TEXTS["chrA"]
    with pytest.raises(GenomeError, match="chrC: the file has fewer than its 7 bases"):
        genome.tokens("chrC", 0, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(range(256)), "cannot be read"),
        (b"\x00\x01\x02\x03\n", "line 1: it is not text: it contains a NUL byte"),
        (b"chrA\t160\t17\t0\t0\n", "line 1 of the index has lines of 0 bases and 0 bytes"),
        (b"chrA\t160\t17\t50\t4\n", "line 1 of the index has lines of 50 bases and 4 bytes"),
        (b"chrA\t-1\t17\t50\t51\n", "line 1 of the index is not name, length"),
        (b"chrA\t1_60\t17\t50\t51\n", "line 1 of the index is not name, length"),
        ("chrA\t١٦٠\t17\t50\t51\n".encode(), "line 1 of the index is not name, length"),
        (b"chrA\t160\t17\n", "line 1 of the index is not name, length"),
        (b"ch\x01rA\t160\t17\t50\t51\n", r"line 1 of the index has the letter '\\x01' in its"),
        (b"chrA\t160\t17\t50\t51\n" * 2, "line 2 of the index names 'chrA' a second time"),
        (b"chrA\t" + b"9" * 5000 + b"\t17\t50\t51\n", "line 1 of the index is not name"),
        (b"", "the index is empty"),
    ],
)
def test_what_is_no_index(tmp_path, content, message):
    path = write(tmp_path / "g.fa")
    (tmp_path / "g.fa.fai").write_bytes(content)
    with pytest.raises(GenomeError, match=message) as error:
        Genome(path)
    assert "g.fa.fai" in str(error.value) and error.value.mend == f"samtools faidx {path}"


def test_an_empty_fasta(tmp_path):
    (tmp_path / "g.fa").write_bytes(b"")
    (tmp_path / "g.fa.fai").write_text("chrA\t160\t17\t50\t51\n")
    with pytest.raises(GenomeError, match="the FASTA is empty"):
        Genome(tmp_path / "g.fa")


@pytest.fixture
def compressed(tmp_path):
    rng = np.random.default_rng(0)
    texts = {f"chr{i}": "".join(rng.choice(list("ACGT"), 150_000)) for i in range(3)}
    path = write(tmp_path / "g.fa", texts)
    pysam.tabix_compress(str(path), f"{path}.gz")
    pysam.faidx(f"{path}.gz")
    return tmp_path / "g.fa.gz", path.read_bytes()


def test_bytes_of_a_bgzip_file(compressed):
    path, text = compressed
    rng = np.random.default_rng(1)
    with BgzipFile(path) as file:
        places = [(0, 10), (65270, 65300), (0, len(text)), (len(text) - 3, len(text) + 9)]
        places += [tuple(sorted(rng.integers(0, len(text), 2))) for _ in range(50)]
        for start, end in places:
            assert file.read(int(start), int(end)) == text[start:end]


def test_a_block_is_inflated_as_far_as_it_is_read(compressed):
    path, text = compressed
    raw = bytearray(path.read_bytes())
    raw[15_000] ^= 255  # far behind the first 100 bytes of the first block's 65,280
    path.write_bytes(raw)
    with BgzipFile(path) as file:
        assert file.read(0, 100) == text[:100]
        assert file.read(40, 200) == text[40:200]
        with pytest.raises(GenomeError, match=r"the block at byte 0 is damaged or cut off \("):
            file.read(0, 65_280)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def plain_gzip(path):
    import gzip

    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))


def flipped(path):
    raw = bytearray(path.read_bytes())
    raw[50] ^= 255
    path.write_bytes(raw)


def gzi_cut(path):
    index = path.with_name("g.fa.gz.gzi")
    index.write_bytes(index.read_bytes()[:-3])


def gzi_of_another(path):
    index = path.with_name("g.fa.gz.gzi")
    n, *pairs = struct.unpack(f"<{index.stat().st_size // 8}Q", index.read_bytes())
    index.write_bytes(struct.pack(f"<{1 + len(pairs)}Q", n, *(p + 7 for p in pairs)))


def gzi_text(path):
    path.with_name("g.fa.gz.gzi").write_text("this is no index\n")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (cut, "gzi belongs to another file|damaged or cut off|checksum"),
        (plain_gzip, "no bgzip block begins at byte 0"),
        (flipped, "the block at byte 0 is damaged"),
        (gzi_cut, "is no .gzi of"),
        (gzi_of_another, "gzi belongs to another file|no bgzip block"),
        (gzi_text, "is no .gzi of"),
    ],
)
def test_what_is_no_bgzip_is_refused(compressed, edit, message):
    path, _ = compressed
    check(path)
    edit(path)
    with pytest.raises(GenomeError, match=message) as error:
        check(path)
    assert str(path) in str(error.value) and "with bgzip (not gzip)" in error.value.mend


def test_damage_in_the_middle_is_an_error_of_the_job(compressed):
    path, _ = compressed
    raw = bytearray(path.read_bytes())
    raw[30_000] ^= 255
    path.write_bytes(raw)
    with pytest.raises(GenomeError, match="chr0:0-150000 cannot be read"):
        Genome(path).tokens("chr0", 0, 150_000)


def test_the_check_touches_three_places_of_a_contig_whatever_its_length(tmp_path, monkeypatch):
    """600 contigs of up to 200 Mb: no line is read through, and no contig is checked twice."""
    sizes = [200_000_000, *([50_000_000] * 3), *range(1_000, 200_000, 333)][:600]
    path, rows, at = tmp_path / "g.fa", [], 0
    with open(path, "wb") as file:
        for i, size in enumerate(sizes):
            header = f">contig{i} words\n".encode()
            file.write(header)
            at += len(header)
            rows.append(f"contig{i}\t{size}\t{at}\t60\t61\n")
            at += size + -(-size // 60)
            # A sparse file: only the first line and the last base are written.
            file.write(b"A" * 60 + b"\n")
            file.seek(at - 2)
            file.write(b"A\n")
    path.with_name("g.fa.fai").write_text("".join(rows))
    read, bytes_of = [], fasta_index._PlainFile.read

    def counting(file, start, end):
        found = bytes_of(file, start, end)
        read.append(len(found))
        return found

    monkeypatch.setattr(fasta_index._PlainFile, "read", counting)
    genome = Genome(path)
    genome.check(genome.lengths)
    # The header line, the end of the first line, and what follows the last base.
    assert len(read) == 3 * 600 and sum(read) < 3 * 600 * 100
    genome.check(genome.lengths)
    assert len(read) == 3 * 600
