"""Indices that a run makes itself: where they go, what they are made of, when again."""

import gzip
import os
from pathlib import Path

import pysam
import pytest

from cisweep.errors import CisweepError, GenomeError
from cisweep.genome import indexing
from cisweep.genome.fasta import Genome
from cisweep.genome.indexing import make_ready, ready_path
from cisweep.plan.made_inputs import make_inputs
from cisweep.plan.plan import Plan

TEXT = ">chrA one\nACGTACGTAC\nGTTT\n>chrB\nGGGGGGGGGG\nCC\n"
FOLDER = Path("results/r/.inputs")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    return tmp_path


@pytest.fixture
def read_only(monkeypatch):
    """The folder of the data, as the user sees it (root may write everywhere)."""
    access = os.access
    monkeypatch.setattr(
        indexing.os, "access", lambda path, mode: Path(path).name != "data" and access(path, mode)
    )


def fasta(kind: str, text: str = TEXT) -> Path:
    path = Path("data/g.fa" if kind == "plain" else "data/g.fa.gz")
    if kind == "plain":
        path.write_text(text)
    elif kind == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(text.encode())
    return path


def bases(path: Path) -> list[list[int]]:
    genome = Genome(path)
    return [genome.tokens(name, 0, bp).tolist() for name, bp in genome.lengths.items()]


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("kind", "said", "made"),
    [
        ("plain", "data/g.fa had no .fai: made beside it", ["g.fa", "g.fa.fai"]),
        ("bgzip", "data/g.fa.gz had no .fai and .gzi: made beside it",
         ["g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi"]),
        ("gzip", "data/g.fa.gz is plain gzip, of which no part can be read alone: data/g.fa.bgz is "
         "the same as bgzip, with its index",
         [".g.fa.bgz.made_of", "g.fa.bgz", "g.fa.bgz.fai", "g.fa.bgz.gzi", "g.fa.gz"]),
    ],
)  # fmt: skip
def test_what_is_missing_is_made_beside_the_file(kind, said, made):
    path = fasta(kind)
    assert make_ready(path, FOLDER) == [said]
    assert names("data") == made and not Path("results").exists()
    found = ready_path(path, FOLDER)
    assert bases(found) == [[0, 1, 2, 3] * 2 + [0, 1, 2, 3, 3, 3], [2] * 10 + [1] * 2]
    assert make_ready(path, FOLDER) == []  # once


@pytest.mark.parametrize("kind", ["plain", "bgzip", "gzip"])
def test_beside_a_file_that_is_read_only_it_lies_in_the_run(kind, read_only):
    path = fasta(kind)
    (line,) = make_ready(path, FOLDER)
    found = ready_path(path, FOLDER)
    assert found.is_relative_to(FOLDER) and str(found.parent) in line
    assert names("data") == [path.name]
    assert len(bases(found)) == 2
    assert make_ready(path, FOLDER) == []
    # Another state of the file: what was made of it is no longer taken, and made again.
    path = fasta(kind, TEXT.replace("GTTT", "GTTTA"))
    os.utime(path, (1, 1))
    assert ready_path(path, FOLDER) == path
    assert len(make_ready(path, FOLDER)) == 1
    assert Genome(ready_path(path, FOLDER)).lengths == {"chrA": 15, "chrB": 12}


def test_an_index_that_is_there_is_not_touched():
    path = fasta("bgzip")
    pysam.faidx(str(path))
    Path(f"{path}.fai").write_text("old\n")
    assert make_ready(path, FOLDER) == []
    Path(f"{path}.gzi").unlink()
    assert make_ready(path, FOLDER) == ["data/g.fa.gz had no .gzi: made beside it"]
    assert Path(f"{path}.fai").read_text() == "old\n"


def test_a_bam_gets_its_index(read_only):
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "chrA", "LN": 99}]}
    for name in ("data/a.bam", "b.bam"):
        with pysam.AlignmentFile(name, "wb", header=header):
            pass
    assert make_ready(Path("b.bam"), FOLDER) == ["b.bam had no .bai: made beside it"]
    (line,) = make_ready(Path("data/a.bam"), FOLDER)
    assert pysam.AlignmentFile(str(ready_path(Path("data/a.bam"), FOLDER))).has_index(), line
    Path("b.bam").write_bytes(b"no BAM")
    Path("b.bam.bai").unlink()
    with pytest.raises(GenomeError, match=r"b\.bam: it cannot be indexed \(.*Mend: samtools sort"):
        make_ready(Path("b.bam"), FOLDER)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\nAC\n>a\nACG\n", r"it cannot be indexed \(2 sequences have 1 different names"),
        (">a\nAC\nACG\nA\n", r"it cannot be indexed \(samtools says why above\). Mend: give each "
         "sequence a name of its own and lines of one length"),
    ],
)  # fmt: skip
def test_a_fasta_that_cannot_be_indexed(text, message):
    path = fasta("plain", text)
    with pytest.raises(GenomeError, match=f"data/g.fa: {message}"):
        make_ready(path, FOLDER)
    assert names("data") == ["g.fa"]  # nothing half made, no sequence left out


def test_gzip_that_is_cut_off():
    path = fasta("gzip")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(GenomeError, match=r"g\.fa\.gz: cannot be read \(.*Mend: fetch the genome"):
        make_ready(path, FOLDER)
    assert names("data") == ["g.fa.gz"]


def test_where_nothing_can_be_written(monkeypatch):
    path = fasta("plain")
    monkeypatch.setattr(indexing.os, "access", lambda path, mode: False)
    with pytest.raises(GenomeError) as raised:
        make_ready(path, None)
    assert str(raised.value) == (
        "data/g.fa: it has no .fai, and none can be written (data is read-only). Mend: make it in "
        "a folder where you may write, and name that"
    )


@pytest.mark.parametrize("path", ["no.fa", "data"])
def test_a_file_that_is_not_there_is_left_to_its_reader(path):
    assert make_ready(Path(path), FOLDER) == []
    assert ready_path(Path(path), FOLDER) == Path(path)


def test_the_plan_reads_what_was_made(read_only, resources):
    path = fasta("gzip", TEXT + ">chrC\n" + "ACGTACGTAC\n" * 60)
    data = {
        "run": "r", "genome": {"fasta": str(path)}, "regions": {"tile": {"stride_bp": 100}},
        "models": {"m": str(resources / "models" / "ctcf_pu1.yaml")}, "steps": {"predict": {}},
    }  # fmt: skip
    assert make_inputs({}, Path()) == []  # a config that is wrong is told elsewhere
    (line,) = make_inputs(data, Path())
    assert line.startswith("data/g.fa.gz is plain gzip")
    plan = Plan.from_config(data, Path())
    assert Path(plan.config.genome.fasta).is_relative_to(FOLDER)
    assert plan.source.lengths == {"chrA": 14, "chrB": 12, "chrC": 600}
    assert all(Path(name).is_file() for name in plan.source_files)
    fasta("plain", ">a\nA\n>a\nA\n")
    with pytest.raises(CisweepError, match="cannot be indexed"):
        make_inputs(data | {"genome": {"fasta": "data/g.fa"}}, Path())
