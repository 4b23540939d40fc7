"""bigWigs: the values are those of libBigWig, and a damaged file ends in an error that names it."""

import random
import struct
import zlib

import numpy as np
import pyBigWig
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisweep.contracts import Windows
from cisweep.errors import CisweepError, GenomeError
from cisweep.genome.bigwig import BigWig
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
        check_signal([path], chroms, thoroughly=True)
    assert str(error.value).startswith(f"{path}: ") and error.value.mend
    return str(error.value)


def test_whole_files_are_taken(whole, tmp_path):
    minus = write(tmp_path / "b.bw", [("chrB", 10, [np.nan, -2.0])])
    check_signal([whole], ["chrA", "chrB", "chrC"], thoroughly=True)
    check_signal([whole, minus], ["chrB"], thoroughly=True)


def test_values_that_are_nan_are_none(tmp_path):
    path = write(tmp_path / "n.bw", [("chrA", 100, np.full(50, np.nan))])
    assert "has no value on any chromosome of the run (NaN does not count)" in refused(path)


def test_values_must_lie_where_the_run_looks(whole, tmp_path):
    path = write(tmp_path / "b.bw", [("chrB", 10, [1.0])])
    check_signal([path], ["chrB"], thoroughly=True)
    assert "has no value on any chromosome of the run" in refused(path)
    assert "has no chromosome 'A' (it has chrA, chrB …). Mend: rename its" in refused(whole, ["A"])


@pytest.mark.parametrize("size", [0, 3, 50, 64, 304, 350, 404, 3000, 6179, 9000, 9800])
def test_a_file_that_is_cut_off(whole, size):
    path = whole.with_name("cut.bw")
    path.write_bytes(whole.read_bytes()[:size])
    message = refused(path)
    assert "is cut off" in message or size < 4
    assert "does not begin like one" in message or size >= 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b">chrA\nACGT\n", "is not a readable bigWig (it does not begin like one)"),
        (struct.pack("<I", 0x8789F2EB) + bytes(90), "is a bigBed, not a bigWig"),
        (struct.pack(">I", 0x888FFC26) + bytes(90), "is not a readable bigWig"),
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


def index_of(raw):
    """Return where the items of the index's one leaf begin, and how many there are."""
    index = struct.unpack("<Q", raw[24:32])[0]
    is_leaf, _, n = struct.unpack("<BBH", raw[index + 48 : index + 52])
    assert is_leaf == 1
    return index + 52, n


def read_all(path):
    return read_signal([path], Windows.build(["chrA", "chrB"], [0, 0], [5000, 5000]))


def repacked(path, name, change):
    """Write the file with its first block changed; the block is still one that zlib unpacks."""
    raw = bytearray(path.read_bytes())
    item, _ = index_of(raw)
    at, size = struct.unpack_from("<QQ", raw, item + 16)
    block = zlib.compress(change(zlib.decompress(raw[at : at + size])))
    struct.pack_into("<QQ", raw, item + 16, len(raw), len(block))
    (path.parent / name).write_bytes(raw + block)
    return path.parent / name


def put(at, layout, number):
    return lambda block: block[:at] + struct.pack(layout, number) + block[at + 4 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda block: block[:20],
        lambda block: block[:1000],
        lambda block: block[:20] + bytes([7]) + block[21:],  # of no known kind
        lambda block: block[:22] + b"\xff\xff" + block[24:],  # more entries than bytes
        lambda block: block + bytes(1 << 21),
        put(16, "<I", 1 << 31),  # each entry covers the next
    ],
)
def test_a_block_that_is_not_what_it_says(whole, change):
    path = repacked(whole, "b.bw", change)
    assert read_all(repacked(whole, "same.bw", bytes))[0, 0, 101] == 1
    with pytest.raises(GenomeError) as error:
        read_all(path)
    assert str(error.value).startswith(f"{path}: is damaged: a block of values is cut off, of no")
    assert "(found at chrA:0-5000). Mend: make the bigWig again" in str(error.value)
    assert "(found on chrA)" in refused(path)


def test_bytes_that_zlib_refuses(whole):
    raw = whole.read_bytes()
    item, _ = index_of(raw)
    at = struct.unpack_from("<Q", raw, item + 16)[0]
    path = changed(whole, "flipped.bw", (at + 500, b"\xa5\xa5\xa5"))
    with pytest.raises(
        GenomeError, match=r"flipped\.bw: is damaged: a block of values at chrA:0-5"
    ):
        read_all(path)


def test_an_index_that_leads_astray(whole):
    """Each of them is told before a job, and by the job if the file changes after that."""
    raw = whole.read_bytes()
    item, n = index_of(raw)
    root, u8 = item - 4, struct.Struct("<Q").pack
    far = "its index points beyond its end"
    inner = struct.pack("<BBH", 0, 0, 1)
    cases = {
        far: (item + 16, u8(len(raw))),
        far + " ": (item + 24, u8(1 << 63)),
        "it points beyond its end": (root + 2, b"\xff"),
        "its index is larger than the file": (root + 2, b"\xff\xff"),
        "its index is not in order": (item, b"\xff"),
        "its index points to the same block of the index twice": (
            root,
            inner + raw[item : item + 16] + u8(root),
        ),
    }
    for number, (message, change) in enumerate(cases.items()):
        path = changed(whole, f"{number}.bw", change)
        for read in (refused, read_all):
            with pytest.raises(GenomeError, match=f"{number}.bw: is .*{message.strip()}"):
                raise GenomeError(read(path)) if read is refused else read(path)
    assert n > 1


def test_an_index_that_leads_to_one_block_without_end(tmp_path):
    """As many items as the file could hold, each of them the largest block of all."""
    n = 40_000
    path = write(tmp_path / "w.bw", [("chrA", 100, np.random.default_rng(0).normal(size=8000))])
    raw = bytearray(path.read_bytes())
    item, _ = index_of(raw)
    one, index = bytes(raw[item : item + 32]), item - 52
    raw[24:32] = struct.pack("<Q", len(raw))
    raw += raw[index : index + 48] + struct.pack("<BBH", 1, 0, n) + one * n
    path.write_bytes(raw)
    assert "its index points to one block of values many times" in refused(path)


def test_a_list_of_chromosomes_that_leads_astray(whole):
    tree = struct.unpack("<Q", whole.read_bytes()[8:16])[0]
    key = struct.unpack("<I", whole.read_bytes()[tree + 8 : tree + 12])[0]
    node = tree + 32
    inner = struct.pack("<BBH", 0, 0, 1) + bytes(key) + struct.pack("<Q", node)
    first = node + 4
    cases = [
        (node, inner),  # it leads to itself
        (node + 2, b"\x01\x00"),
        (node + 2, b"\xff\xff"),
        (first, b"\xff\xfe"),
        (first + key, b"\x01"),  # both have one number
        (first, b"chrB"),
    ]
    for number, change in enumerate(cases):
        message = refused(changed(whole, f"{number}.bw", change))
        assert "has a damaged list of chromosomes" in message or "points beyond its" in message
    far = changed(whole, "far.bw", (first + key, b"\xff\xff\xff\xff"))  # a number is but a name
    assert read_signal([far], Windows.build(["chrA"], [0], [500])).sum() == 0


def test_no_changed_byte_ends_the_process(whole):
    """libBigWig ends the process at some of these files, by a segmentation fault."""
    raw, rng = whole.read_bytes(), random.Random(0)
    tree, data, index = struct.unpack("<QQQ", raw[8:32])
    places = [
        *rng.sample(range(data), 60),
        *range(index, index + 84),
        *(rng.randrange(data, index) for _ in range(40)),
    ]
    outcomes = []
    for at in places:
        path = changed(whole, "x.bw", (at, bytes([raw[at] ^ (1 << rng.randrange(8))])))
        try:
            check_signal([path], ["chrA"], thoroughly=True)
            read_all(path)
            outcomes.append(True)
        except GenomeError as error:
            assert error.where == str(path) and error.mend
            outcomes.append(False)
    assert 30 < sum(outcomes) < len(places) - 30


def test_all_faulty_files_are_told_at_once(whole, tmp_path):
    bad = changed(whole, "bad.bw", (4, b"\x99"))
    with pytest.raises(CisweepError) as error:
        check_signal([bad, whole, tmp_path / "gone.bw"], ["chrA"], thoroughly=True)
    told = str(error.value)
    assert f"{bad}: has a damaged header" in told and str(whole) not in told
    assert f"{tmp_path / 'gone.bw'}: is not a readable bigWig" in told


def test_values_beyond_a_chromosome_are_refused(whole):
    with BigWig(whole) as file, pytest.raises(ValueError, match="chrB:0-5001 is not on the chrom"):
        file.values("chrB", 0, 5001)


KINDS = st.sampled_from(["bedgraph", "variable", "fixed"])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(KINDS, st.integers(1, 9), st.integers(0, 9), st.integers(1, 600)),
             min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_values_are_those_of_libbigwig(tmp_path, parts, seed):
    """Of all three kinds of block, NaN among them, on chromosomes with and without entries."""
    rng, path = np.random.default_rng(seed), tmp_path / "any.bw"
    lengths = {f"c{i}": 12_000 for i in range(len(parts) + 1)}
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()))
        for i, (kind, span, gap, n) in enumerate(parts):
            values = rng.choice([0.5, -2.25, np.nan, 1e-3, 7], n)
            first, step = int(rng.integers(0, 100)), span + gap
            starts = [first + step * k for k in range(n)]
            if kind == "fixed":
                file.addEntries(f"c{i}", first, values=values, span=span, step=step)
            elif kind == "variable":
                file.addEntries(f"c{i}", starts, values=values, span=span)
            else:
                ends = [s + int(rng.integers(1, step + 1)) for s in starts]
                file.addEntries([f"c{i}"] * n, starts, ends=ends, values=values.tolist())
    with pyBigWig.open(str(path)) as oracle, BigWig(path) as file:
        file.check_index()
        assert file.chroms == oracle.chroms() == lengths
        for chrom in lengths:
            found = oracle.intervals(chrom) or ()
            assert file.has_value(chrom) == any(v == v for *_, v in found)
            expected = np.zeros(lengths[chrom], np.float32)
            for low, high, value in found:
                expected[low:high] = value
            for low, high in ((0, 12_000), *np.sort(rng.integers(0, 12_001, (20, 2)), axis=1)):
                np.testing.assert_array_equal(
                    file.values(chrom, int(low), int(high)), expected[low:high]
                )
