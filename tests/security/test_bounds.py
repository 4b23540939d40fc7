"""Files that expand to more than they are: refused by a bound that is named, in bounded memory."""

import contextlib
import gc
import gzip
import json
import os
import resource
import zipfile
from pathlib import Path

import pytest
from tests.security.fuzzing import PARSERS

from cisweep import textfile
from cisweep.errors import CisweepError, ModelError
from cisweep.genome.regions import read_bed
from cisweep.models import weights


def read_apart(parser, path, small):
    """Return what a process of its own says of a file, and by how many MB its memory grew.

    small: a file that is read before, so that what is imported is no part of the measure.
    """
    read = PARSERS[parser].read
    with contextlib.suppress(CisweepError):
        read(small)
    gc.collect()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30), used + (4 << 30)))
        try:
            read(path)
            said = "read"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(writing, f"{said}\n{grown >> 10}".encode())
        os._exit(0)
    os.close(writing)
    assert os.waitpid(child, 0)[1] == 0
    with open(reading) as pipe:
        said, _, grown = pipe.read().rpartition("\n")
    return said, int(grown)


def bomb(path, line, gigabytes=2):
    """Write so many GB of a line, compressed a thousandfold."""
    member = gzip.compress(line * ((32 << 20) // len(line)))
    path.write_bytes(member * (gigabytes << 5))


TEXTS = {
    "sequences": (".fa.gz", b"A" * 1024, b">a\nACGT\n"),
    "bed": (".bed.gz", b"chr1\t1\t9\n", b"chr1\t1\t9\n"),
    "meme": (".meme.gz", b"\n", b"MEME version 4\n"),
    "variants": (".tsv.gz", b"\t" * 512, b"chrom\tpos_1based\tref\talt\n"),
    "table": (".tsv.gz", b"x" * 1024, b"value\tsequence\n1\tA\n"),
    "priors": (".tsv.gz", b"#\n", b"chr1\t1\t2\tA\t1\n"),
    "fragments": (".tsv.gz", b"#" * 1024, b"chr1\t1\t2\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("parser", TEXTS)
def test_a_gzip_bomb_is_refused(tmp_path, parser):
    suffix, line, small = TEXTS[parser]
    bomb(tmp_path / f"bomb{suffix}", line)
    (tmp_path / f"small{suffix}").write_bytes(gzip.compress(small))
    said, grown = read_apart(parser, tmp_path / f"bomb{suffix}", tmp_path / f"small{suffix}")
    assert "expands to more than 100 times its size and 64 MB" in said
    assert "if the file is sound, decompress it" in said
    assert grown < 1500


def test_the_bound_of_texts(tmp_path, monkeypatch):
    """Just below both bounds a text is read; above them it is not, however it is read."""
    monkeypatch.setattr(textfile, "EXPANDED_MAX_BYTES", 9 * 5000)
    row = b"chr1\t1\t9\n"
    path = tmp_path / "a.bed.gz"
    path.write_bytes(gzip.compress(row * 5000, mtime=0))
    assert path.stat().st_size * textfile.EXPANSION_MAX < 9 * 5000
    assert len(read_bed(path)) == 5000
    path.write_bytes(gzip.compress(row * 5001, mtime=0))
    with pytest.raises(CisweepError, match="a.bed.gz: cannot be read .it expands to more than 100"):
        read_bed(path)
    # Many members, as of bgzip, count together; a text that compresses little has room.
    path.write_bytes(gzip.compress(row * 2000, mtime=0) * 3)
    with pytest.raises(CisweepError, match="it expands"):
        read_bed(path)
    path.write_bytes(gzip.compress(row * 6000, compresslevel=0))
    assert len(read_bed(path)) == 6000


def zip_of(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("parser", ["pickle", "bpnet", "export"])
def test_a_zip_bomb_is_refused(tmp_path, parser):
    suffix = ".pt2" if parser == "export" else ".pt"
    path = tmp_path / f"bomb{suffix}"
    zip_of(path, {"m/data.pkl": b"\0" * (300 << 20), "m/version": b"3"})
    zip_of(tmp_path / f"small{suffix}", {"m/version": b"3"})
    said, grown = read_apart(parser, path, tmp_path / f"small{suffix}")
    assert "the archive expands from" in said
    assert "to 314,572,801 bytes, more than 4 times its size" in said
    assert grown < 100


def test_overlapping_parts_of_a_zip_count_each(tmp_path, monkeypatch):
    """Nothing need be compressed: many entries may name the same bytes."""
    monkeypatch.setattr(weights, "EXPANDED_MAX_BYTES", 1 << 16)
    zip_of(tmp_path / "a.pt", {"m/data/0": b"\0" * 10_000}, zipfile.ZIP_STORED)
    raw = (tmp_path / "a.pt").read_bytes()
    start = raw.index(b"PK\x01\x02")
    entry, end = raw[start : raw.index(b"PK\x05\x06")], raw[raw.index(b"PK\x05\x06") :]
    n = 60
    size = (n * len(entry)).to_bytes(4, "little")
    end = end[:8] + n.to_bytes(2, "little") * 2 + size + end[16:]
    (tmp_path / "a.pt").write_bytes(raw[:start] + entry * n + end)
    with pytest.raises(ModelError, match="to 600,000 bytes, more than 4 times"):
        weights.read_file(tmp_path / "a.pt")


def test_weights_that_were_compressed_are_read(tmp_path):
    import torch

    state = {"w": torch.zeros(1000)}
    torch.save(state, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        zip_of(tmp_path / "b.pt", {n: archive.read(n) for n in archive.namelist()})
    assert (tmp_path / "b.pt").stat().st_size < 4000
    assert torch.equal(weights.read_file(tmp_path / "b.pt")["w"], state["w"])


def test_the_header_of_a_safetensors_file(tmp_path):
    entry = json.dumps({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})
    names = ",".join(f'"{i}":{entry}' for i in range(400_000))
    for text, said in ((f"{{{names}}}", "the header takes 25,"), ('{"a":1}' + " " * 20, "cannot")):
        raw = len(text).to_bytes(8, "little") + text.encode() + b"\0"
        (tmp_path / "a.safetensors").write_bytes(raw)
        (tmp_path / "s.safetensors").write_bytes(raw[:30])
        found, grown = read_apart(
            "safetensors", tmp_path / "a.safetensors", tmp_path / "s.safetensors"
        )
        assert said in found
        assert grown < 100
    # A size that the file has not: the format's own reader says so.
    (tmp_path / "a.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="truncated or of another format"):
        weights.read_file(tmp_path / "a.safetensors")


def test_an_hdf5_file_that_holds_sizes_alone(tmp_path):
    import h5py

    for name, size in (("bomb", 1 << 33), ("small", 4)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset(
                "model_weights/bpnet_1st_conv/x/kernel:0", (size,), "f4", chunks=(4,)
            )
    said, grown = read_apart("keras", tmp_path / "bomb.h5", tmp_path / "small.h5")
    assert "kernel:0 would take 34,359,738,368 bytes, more than 4 times the file" in said
    assert grown < 100


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_zip_that_says_it_spans_disks_is_a_broken_file(tmp_path, suffix):
    """Found by fuzzing: zipfile raises where it is only asked whether the file is one."""
    path = tmp_path / f"w{suffix}"
    path.write_bytes(
        b"PK\x06\x07\x00\x00y\x00\x03\x11\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00PK\x05\x06\x00\x00"
        b"\x00\x00\x10\x00\x10\x00\x8b\x03\x00\x00x\r\x00\x00\x00\x00"
    )
    with pytest.raises(ModelError, match="span multiple disks"):
        weights.read_file(path)
