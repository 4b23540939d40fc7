"""bigBed: rows of a BED, read back by libBigWig and bigtools; its index as UCSC looks it up."""

import random
import struct
from pathlib import Path

import pybigtools
import pyBigWig
import pytest

from cisweep.errors import ProductError
from cisweep.outputs.bigbed import write_bigbed

LENGTHS = {"chr2": 90_000, "chr10": 70_000, "chr1": 100_000, "none": 500}
"""In the order of the genome, which is not that of the names."""


@pytest.fixture
def rows() -> list[tuple]:
    """3,000 rows in genome order, more than two blocks of the file."""
    draw = random.Random(1)
    found = []
    for chrom in ("chr2", "chr10", "chr1"):
        starts = sorted(draw.randrange(LENGTHS[chrom] - 50) for _ in range(1000))
        for i, start in enumerate(starts):
            end, score = start + draw.randrange(1, 40), draw.randrange(1001)
            found.append((chrom, start, end, f"ctcf:{i}", score, "+-."[i % 3]))
    return found


def written(folder: Path, rows: list[tuple], name: str = "a") -> Path:
    (folder / "a.bed").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    write_bigbed(folder / f"{name}.bb", folder / "a.bed", LENGTHS, 'Peaks. "A"')
    return folder / f"{name}.bb"


def read_back(path: Path) -> list[tuple]:
    """Return the rows of a bigBed as libBigWig reads them."""
    with pyBigWig.open(str(path)) as file:
        assert file.isBigBed()
        return [
            (chrom, start, end, *rest.split("\t"))
            for chrom, length in file.chroms().items()
            for start, end, rest in file.entries(chrom, 0, length) or ()
        ]


def test_rows_are_those_of_the_bed(tmp_path, rows):
    path = written(tmp_path, rows)
    expected = [(*row[:4], str(row[4]), row[5]) for row in rows]
    assert sorted(read_back(path)) == sorted(expected)
    with pybigtools.open(str(path)) as file:
        assert file.chroms() == {chrom: LENGTHS[chrom] for chrom in ("chr1", "chr10", "chr2")}
        found = [("chr10", *row) for row in file.records("chr10")]
    assert found == [row for row in expected if row[0] == "chr10"]
    with pyBigWig.open(str(path)) as file:
        near = [row[:2] for row in file.entries("chr10", 30_000, 35_000)]
    inside = [row[1:3] for row in expected if row[0] == "chr10"]
    assert near == [(s, e) for s, e in inside if s < 35_000 and e > 30_000] and len(near) > 20


def test_the_same_rows_give_the_same_bytes(tmp_path, rows):
    left, right = written(tmp_path, rows, "x"), written(tmp_path, rows, "y")
    assert left.read_bytes() == right.read_bytes()


def test_chromosomes_stand_by_name_as_a_search_wants_them(tmp_path, rows):
    """UCSC's tree of chromosomes is searched by halving, and its index goes by their numbers."""
    data = written(tmp_path, rows).read_bytes()
    (tree,) = struct.unpack_from("<Q", data, 8)
    _, _, size, _, n, _ = struct.unpack_from("<4I2Q", data, tree)
    at = [tree + 32 + 4 + i * (size + 8) for i in range(n)]
    names = [data[i : i + size].rstrip(b"\0").decode() for i in at]
    numbers = [struct.unpack_from("<I", data, i + size)[0] for i in at]
    assert names == ["chr1", "chr10", "chr2"] and numbers == [0, 1, 2]


def test_the_declaration_names_the_columns_and_what_rows_are(tmp_path, rows):
    with pyBigWig.open(str(written(tmp_path, rows))) as file:
        text = file.SQL().decode()
    assert text.startswith("table bed6\n\"Peaks. 'A'\"\n")
    columns = [line.split(";")[0].split()[-1] for line in text.splitlines() if ";" in line]
    assert columns == ["chrom", "chromStart", "chromEnd", "name", "score", "strand"]
    (declared, defined) = struct.unpack_from("<HH", written(tmp_path, rows).read_bytes(), 32)
    assert declared == defined == 6


def test_no_rows_are_a_valid_file(tmp_path):
    path = written(tmp_path, [])
    assert read_back(path) == []
    with pyBigWig.open(str(path)) as file:
        assert file.chroms() == {"chr1": 100_000} and b"Peaks" in file.SQL()
        assert file.entries("chr1", 0, 100_000) in (None, [])
    with pybigtools.open(str(path)) as file:
        assert file.is_bigbed and list(file.records("chr1")) == []
        assert file.info()["zoomLevels"] == 0 and "string name" in file.sql()


ROW = "\t5\t9\tn\t1\t+\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr1\t5\t9\n", "line 1: 3 columns, not 6. Mend: write BED6"),
        (f"chr1{ROW}chr2{ROW}chr1{ROW}", "line 3: the rows are not in order. Mend: sort them"),
        (f"chr1{ROW}chr1\t4\t9\tn\t1\t+\n", "line 2: the rows are not in order"),
    ],
)
def test_a_bed_that_cannot_become_one(tmp_path, text, said):
    (tmp_path / "a.bed").write_text(text)
    with pytest.raises(ProductError) as error:
        write_bigbed(tmp_path / "a.bb", tmp_path / "a.bed", LENGTHS, "x")
    assert f"{tmp_path / 'a.bed'}, {said}" in str(error.value)
    assert not (tmp_path / "a.bb").exists()
