"""A damaged bigWig is named, whatever it does to the process that reads it."""

import random
import struct

import numpy as np
import pyBigWig
import pytest

from cisweep.contracts import Windows
from cisweep.errors import CisweepError, GenomeError
from cisweep.genome import bigwig_probe
from cisweep.genome.bigwig_probe import header_fault, probe_all
from cisweep.genome.signal import check_signal, read_signal


def write(path, entries, chroms=(("chrA", 10_000), ("chrB", 5_000))):
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(chroms))
        for chrom, start, values in entries:
            file.addEntries(chrom, start, values=values, span=1, step=1)
    return path


@pytest.fixture
def whole(tmp_path):
    entries = [("chrA", 100, np.arange(3000.0)), ("chrB", 10, np.arange(2000.0))]
    return write(tmp_path / "whole.bw", entries)


def changed(path, name, *bytes_at):
    raw = bytearray(path.read_bytes())
    for at, value in bytes_at:
        raw[at : at + len(value)] = value
    made = path.with_name(name)
    made.write_bytes(raw)
    return made


def refused(path, chroms=("chrA",)):
    with pytest.raises(GenomeError) as error:
        check_signal([path], chroms, own_process=True)
    assert str(error.value).startswith(f"{path}: ") and error.value.mend
    return str(error.value)


def test_whole_files_are_taken(whole, tmp_path):
    minus = write(tmp_path / "b.bw", [("chrB", 10, [np.nan, -2.0])])
    check_signal([whole], ["chrA", "chrB", "chrC"], own_process=True)
    check_signal([whole, minus], ["chrB"], own_process=True)


def test_values_that_are_nan_are_none(tmp_path):
    path = write(tmp_path / "n.bw", [("chrA", 100, np.full(50, np.nan))])
    assert "has no value on any chromosome of the run (NaN is none)" in refused(path)


def test_values_must_lie_where_the_run_looks(whole, tmp_path):
    path = write(tmp_path / "b.bw", [("chrB", 10, [1.0])])
    check_signal([path], ["chrB"], own_process=True)
    assert "has no value on any chromosome of the run" in refused(path)
    assert "has no chromosome 'A' (it has chrA, chrB …). Mend: give it" in refused(whole, ["A"])


@pytest.mark.parametrize("size", [0, 3, 50, 64, 304, 350, 404, 3000, 6179, 9000, 9800])
def test_a_file_that_is_cut_off(whole, size):
    path = whole.with_name("cut.bw")
    path.write_bytes(whole.read_bytes()[:size])
    message = refused(path)
    assert "is cut off: its header points beyond its end" in message or size < 4
    assert "does not begin like one" in message or size >= 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b">chrA\nACGT\n", "is no readable bigWig (it does not begin like one)"),
        (struct.pack("<I", 0x8789F2EB) + bytes(90), "is a bigBed, not a bigWig"),
        (struct.pack(">I", 0x888FFC26) + bytes(90), "is no readable bigWig"),
    ],
)
def test_other_formats(tmp_path, content, message):
    (tmp_path / "x.bw").write_bytes(content)
    assert message in refused(tmp_path / "x.bw")


def test_damaged_tables(whole):
    tree, data, index = struct.unpack("<QQQ", whole.read_bytes()[8:32])
    many = (tree + 16, struct.pack("<Q", 10**9))
    assert "list of chromosomes is longer than" in refused(changed(whole, "a.bw", many))
    assert "damaged list of chromosomes" in refused(changed(whole, "b.bw", (tree, b"\0\0")))
    assert "an index of its values does not fit" in refused(changed(whole, "c.bw", (index, b"\0")))
    assert "damaged header" in refused(changed(whole, "d.bw", (4, b"\x99")))


def test_the_file_that_kills_the_reader_is_named_and_the_others_are_looked_at(
    whole, tmp_path, monkeypatch
):
    """The seed was chosen so that pyBigWig 0.3.29 dies at some of the files."""
    rng, files = random.Random(0), []
    raw = whole.read_bytes()
    for i in range(150):
        at = rng.randrange(440)
        files.append(changed(whole, f"{i}.bw", (at, bytes([raw[at] ^ (1 << rng.randrange(8))]))))
    files.append(whole)
    found = probe_all([(path, ["chrA"]) for path in files])
    assert len(found) == len(files) and found[-1].fault is None
    dead = [p for p, f in zip(files, found) if f.fault and "ends the process that reads" in f.fault]
    assert dead, "no file of this version of pyBigWig does; choose another seed"
    with pytest.raises(CisweepError) as error:
        check_signal([dead[0], whole, tmp_path / "gone.bw"], ["chrA"], own_process=True)
    told = str(error.value)
    assert f"{dead[0]}: is damaged: pyBigWig ends the process that reads it (signal" in told
    assert f"{tmp_path / 'gone.bw'}: is no readable bigWig" in told and str(whole) not in told


def test_a_reader_without_end_is_stopped(whole, monkeypatch):
    monkeypatch.setattr(bigwig_probe, "_SECONDS", 0.01)
    (found,) = probe_all([(whole, ["chrA"])])
    assert found.fault == "keeps pyBigWig busy for more than 0.01 s"


def test_flipped_values_are_an_error_of_the_job_that_names_the_file(whole):
    data, index = struct.unpack("<QQ", whole.read_bytes()[16:32])
    middle = (data + index) // 4
    path = changed(whole, "flipped.bw", *((middle + i, b"\xa5") for i in range(40)))
    assert header_fault(path) is None
    with pytest.raises(GenomeError, match=r"flipped\.bw: the bigWig cannot be read"):
        read_signal([path], Windows.build(["chrA"], [0], [5000]))
