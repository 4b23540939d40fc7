"""What the workflow tests share: comparing the products of two runs, counting jobs."""

import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyBigWig

STEPS = {
    "predict": {"batch_size": 64},
    "select": {"top_n": 12},
    "attribute": {"n_references": 4, "batch_size": 8},
    "seqlets": {"fdr": 0.2},
    "hits": {"threshold": 1e-4, "null_copies": 2},
    "report": None,
}


def config(genome: Path, **changes) -> dict:
    """Return a config of a small run: the demo's model and few motifs on a small genome."""
    base = {
        "run": "small",
        "genome": {"fasta": str(genome)},
        "regions": {"tile": {"stride_bp": 100}, "chroms": ".*"},
        "motifs": str(genome.parent / "motifs.meme"),
        "chunk_bp": 100_000,
        "steps": STEPS,
    }
    return base | changes


def jobs_run(text: str) -> dict[str, int]:
    """Return rule -> number of jobs from Snakemake's table of jobs."""
    found: dict[str, int] = {}
    table = text.split("Job stats:", 1)[1] if "Job stats:" in text else ""
    for line in table.splitlines()[2:]:
        match = re.fullmatch(r"(\w+)\s+(\d+)", line.strip())
        if match and match[1] != "total":
            found[match[1]] = int(match[2])
        elif match:
            break
    return found


def products(folder: Path) -> list[Path]:
    """Return the merged products of a run, relative to its results."""
    results = folder / "results"
    return sorted(
        path.relative_to(results)
        for path in results.rglob("*")
        if path.is_file()
        and not {"chunks", "logs", "benchmarks"} & set(path.parts)
        and not path.name.startswith(".")
    )


def assert_same(left: Path, right: Path, tolerance: float = 0.0) -> None:
    """Assert that two runs have the same merged products: equal bytes of text, equal arrays.

    tolerance: largest difference of numbers; 0 for none at all.
    """
    names = products(left)
    assert names == products(right) and names
    for name in names:
        a, b = left / "results" / name, right / "results" / name
        if name.suffix == ".h5":
            _same_h5(a, b, tolerance)
        elif name.suffix == ".parquet":
            _same_table(pd.read_parquet(a), pd.read_parquet(b), name, tolerance)
        elif name.suffix == ".bw":
            _same_bigwig(a, b, tolerance)
        elif name.suffix == ".tsv":
            _same_table(pd.read_csv(a, sep="\t"), pd.read_csv(b, sep="\t"), name, tolerance)
            assert tolerance or a.read_bytes() == b.read_bytes(), name
        elif name.suffix in (".bed", ".narrowPeak") and not tolerance:
            assert a.read_bytes() == b.read_bytes(), name


def _same_table(a: pd.DataFrame, b: pd.DataFrame, name: Path, tolerance: float) -> None:
    pd.testing.assert_frame_equal(
        a, b, check_exact=not tolerance, rtol=10 * tolerance, atol=tolerance, obj=str(name)
    )


def _same_h5(a: Path, b: Path, tolerance: float) -> None:
    with h5py.File(a) as left, h5py.File(b) as right:
        found: list[str] = []
        left.visititems(lambda n, i: found.append(n) if isinstance(i, h5py.Dataset) else None)
        other: list[str] = []
        right.visititems(lambda n, i: other.append(n) if isinstance(i, h5py.Dataset) else None)
        assert found == other
        for name in found:
            x, y = left[name][:], right[name][:]
            if tolerance and x.dtype.kind == "f":
                np.testing.assert_allclose(
                    x.astype(float),
                    y.astype(float),
                    atol=max(tolerance, 1e-3 * (x.dtype == np.float16)),
                    err_msg=name,
                )
            else:
                np.testing.assert_array_equal(x, y, err_msg=f"{a.name}: {name}")


def _same_bigwig(a: Path, b: Path, tolerance: float) -> None:
    with pyBigWig.open(str(a)) as left, pyBigWig.open(str(b)) as right:
        assert left.chroms() == right.chroms()
        for chrom, length in left.chroms().items():
            x = left.values(chrom, 0, length, numpy=True)
            y = right.values(chrom, 0, length, numpy=True)
            np.testing.assert_allclose(x, y, rtol=0, atol=tolerance, err_msg=a.name)
