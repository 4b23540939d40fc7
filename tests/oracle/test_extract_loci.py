"""extract_loci against tangermeme 1.6.0, on random genomes, loci and signals."""

import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest

from cisweep.errors import RegionError
from cisweep.genome import extract_loci, load_fasta


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A genome of two chromosomes with N, two bigWigs, three BED files."""
    path = tmp_path_factory.mktemp("loci")
    rng = np.random.default_rng(3)
    lengths = {"chr1": 3000, "chr2": 1750}
    with open(path / "g.fa", "w") as handle:
        for name, length in lengths.items():
            letters = rng.choice(list("ACGTacgtN"), size=length)
            handle.write(f">{name}\n{''.join(letters)}\n")
    pysam.faidx(str(path / "g.fa"))
    for k in range(2):
        with pyBigWig.open(str(path / f"s{k}.bw"), "w") as file:
            file.addHeader(list(lengths.items()))
            for name, length in lengths.items():
                values = rng.poisson(2, length - 300).astype(float)
                file.addEntries(name, 100, values=values, span=1, step=1)
    for k in range(3):
        chrom = rng.choice(["chr1", "chr2"], 40 + k)
        start = rng.integers(0, 1700, 40 + k)
        end = start + rng.integers(1, 50, 40 + k)
        summit = [int(rng.integers(0, e - s)) for s, e in zip(start, end)]
        rows = [
            f"{c}\t{s}\t{e}\t.\t0\t.\t0\t0\t0\t{m}\n"
            for c, s, e, m in zip(chrom, start, end, summit)
        ]
        (path / f"l{k}.bed").write_text("".join(rows))
    return path


CASES = [
    {},
    {"in_window": 101, "out_window": 51},
    {"max_jitter": 7},
    {"signals": ["s0.bw"]},
    {"signals": ["s0.bw", "s1.bw"], "in_signals": ["s1.bw"], "max_jitter": 3, "out_window": 31},
    {"signals": ["s0.bw", "s1.bw"], "min_counts": 110, "max_counts": 130, "target_idx": 1},
    {"signals": ["s0.bw"], "min_counts": 100, "n_loci": 5},
    {"signals": ["s1.bw"], "out_window": 400},
    {"chroms": ["chr2"], "return_mask": True},
    {"n_loci": 4, "return_mask": True},
    {"summits": True},
    {"exclusion_lists": ["l2.bed"], "return_mask": True, "in_window": 20},
]


def peers(*args, **options):
    """What tangermeme 1.6.0 gives. It closes its map of the FASTA while numba, which compiles at
    the first call, may still hold an array of it; a second call is compiled."""
    from tangermeme.io import extract_loci as peer

    try:
        return peer(*args, **options)
    except BufferError:
        return peer(*args, **options)


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("loci", [["l0.bed"], ["l0.bed", "l1.bed"]], ids=len)
def test_it_gives_what_tangermeme_gives(folder, options, loci):
    def full(value):
        if isinstance(value, list):
            return [str(folder / v) if "." in v else v for v in value]
        return value

    options = {"in_window": 200, "out_window": 60} | {k: full(v) for k, v in options.items()}
    mine = extract_loci(full(loci), folder / "g.fa", **options)
    theirs = peers(full(loci), str(folder / "g.fa"), **options)
    if not isinstance(theirs, list):
        mine, theirs = [mine], [theirs]
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs):
        assert a.shape == tuple(b.shape) and str(b.dtype) == f"torch.{a.dtype}"
        np.testing.assert_array_equal(a, b.numpy())


def test_tables_and_a_genome_do_as_well_as_files(folder):
    table = pd.read_csv(folder / "l0.bed", sep="\t", header=None)
    genome = load_fasta(folder / "g.fa")
    np.testing.assert_array_equal(
        extract_loci(table, genome, in_window=50),
        extract_loci(str(folder / "l0.bed"), str(folder / "g.fa"), in_window=50),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_counts": 3}, "min_counts and max_counts need signals"),
        ({"signals": ["s0.bw"], "min_counts": 3, "target_idx": 1}, "target_idx 1 is not one of 1"),
        ({"n_loci": 0}, "n_loci is 0"),
        ({"in_window": 9000}, "no loci remain"),
        ({"chroms": ["chr9"]}, "no loci remain"),
    ],
)
def test_what_cannot_be_extracted_is_an_error(folder, options, message):
    options = options | ({"signals": [folder / "s0.bw"]} if "signals" in options else {})
    with pytest.raises(RegionError, match=message):
        extract_loci(folder / "l0.bed", folder / "g.fa", **options)


def test_an_unknown_chromosome_is_an_error(folder):
    table = pd.DataFrame({"c": ["chr1", "chrX"], "s": [100, 100], "e": [110, 110]})
    with pytest.raises(RegionError, match="not in the sequences: chrX.*Mend: pass `chroms`"):
        extract_loci(table, folder / "g.fa", in_window=20)
    assert extract_loci(table, folder / "g.fa", in_window=20, chroms=["chr1"]).shape == (1, 4, 20)


def test_summits_of_a_table_are_those_of_its_file(folder, tmp_path):
    table = pd.read_csv(folder / "l0.bed", sep="\t", header=None)
    table.loc[3, 9] = -1  # none is called
    table.to_csv(tmp_path / "t.bed", sep="\t", header=False, index=False)
    options = {"sequences": folder / "g.fa", "in_window": 50, "summits": True}
    found = extract_loci(table, **options)
    np.testing.assert_array_equal(found, extract_loci(tmp_path / "t.bed", **options))
    table.loc[3, 9] = table.loc[3, 2] - table.loc[3, 1]
    with pytest.raises(RegionError, match="row 3 of the table: summit .* is not in its peak"):
        extract_loci(table, **options)
