"""What the workflow tests share: comparing the products of two runs, counting jobs."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyBigWig
import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).resolve().parents[2]
STEPS = {
    "predict": {"batch_size": 64},
    "select": {"fdr": None, "top_n": 12},
    "attribute": {"n_references": 4, "batch_size": 8},
    "seqlets": {"fdr": 0.2},
    "hits": {"threshold": 1e-4, "null_copies": 2},
}

TARGETS = ["Oligo", "L2/3 IT", *(f"t{i}" for i in range(12))]
"""Of the model of the fixture `many_targets`."""

NO_NULL = {"fdr": None, "top_n": 12, "null_windows": 0}
"""Peaks where a test looks at other steps: without the jobs that predict shuffled windows."""


def config(genome: Path, **changes) -> dict:
    """Return the whole config of a small run: the demo's model, few motifs, a small genome."""
    base = {
        "run": "small",
        "genome": {"fasta": str(genome)},
        "regions": {"tile": {"stride_bp": 100}},
        "models": {"ctcf_pu1": str(ROOT / "workflow/resources/models/ctcf_pu1.yaml")},
        "motifs": str(genome.parent / "motifs.meme"),
        "chunk_bp": 100_000,
        "steps": STEPS,
    }
    return base | changes


def demo_config(**changes) -> dict:
    """Return the demo's config with `changes` laid over it, mapping by mapping."""
    data = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    update_config(data, changes)
    return data


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


NOT_COMPARED = {
    "report.html": "it tells the sizes of chunks and batches, and is made of what is compared",
    "provenance.json": "it holds the config with those sizes; its other keys are compared",
}
"""Products that two runs of equal results need not have alike: name -> why."""

BYTES = (".bb", ".bed", ".fa", ".gz", ".html", ".json", ".md", ".meme", ".narrowPeak",
         ".pdf", ".png", ".safetensors", ".svg", ".tbi", ".txt", ".xml", ".yaml")  # fmt: skip
"""Suffixes of products that are compared byte by byte."""

DISCRETE = (".bb", ".gz", ".json", ".pdf", ".png", ".svg", ".tbi")
"""Of those the ones that no tolerance can be given for: drawings, compressed records, and counts on
a grid, which move by one where a number moves by its last bit."""


def assert_same(left: Path, right: Path, tolerance: float = 0.0) -> None:
    """Assert that two runs have the same merged products: equal bytes of text, equal arrays.

    tolerance: largest difference of numbers; 0 for none at all.
    """
    names = products(left)
    assert names == products(right) and names
    for name in names:
        same_product(left / "results" / name, right / "results" / name, tolerance)


def same_product(a: Path, b: Path, tolerance: float = 0.0) -> None:
    """Assert that two files of a product are the same; a suffix that is not known is an error."""
    name = Path(a.name)
    if a.name == "provenance.json":
        x, y = (json.loads(path.read_text()) | {"config": None} for path in (a, b))
        assert x == y, name
    elif a.name in NOT_COMPARED:
        pass
    elif a.suffix == ".h5":
        _same_h5(a, b, tolerance)
    elif a.suffix == ".parquet":
        assert pq.read_schema(a).equals(pq.read_schema(b), check_metadata=True), name
        _same_table(pd.read_parquet(a), pd.read_parquet(b), name, tolerance)
    elif a.suffix == ".bw":
        _same_bigwig(a, b, tolerance)
    elif a.suffix == ".tsv":
        _same_table(pd.read_csv(a, sep="\t"), pd.read_csv(b, sep="\t"), name, tolerance)
        assert tolerance or a.read_bytes() == b.read_bytes(), name
    elif a.suffix in (".bed", ".narrowPeak") and tolerance:
        x, y = (pd.read_csv(path, sep="\t", header=None) for path in (a, b))
        _same_table(x, y, name, tolerance)
    elif a.suffix in BYTES:
        assert (tolerance and a.suffix in DISCRETE) or a.read_bytes() == b.read_bytes(), name
    else:
        raise AssertionError(f"{a}: say in support.py how products of {a.suffix!r} are compared")


def _same_table(a: pd.DataFrame, b: pd.DataFrame, name: Path, tolerance: float) -> None:
    bare = {"pos", "position"} & set(map(str, a.columns))
    assert not bare, f"{name}: a place is start and end, or pos_1based; {bare} says neither"
    pd.testing.assert_frame_equal(
        a, b, check_exact=not tolerance, rtol=10 * tolerance, atol=tolerance, obj=str(name)
    )


def _same_h5(a: Path, b: Path, tolerance: float) -> None:
    with h5py.File(a) as left, h5py.File(b) as right:
        found, other = ({"/": file["/"]} for file in (left, right))
        left.visititems(found.__setitem__)
        right.visititems(other.__setitem__)
        assert list(found) == list(other), a.name
        for name, x in found.items():
            y = other[name]
            _same_attributes(dict(x.attrs), dict(y.attrs), f"{a.name}: {name}")
            assert isinstance(x, h5py.Dataset) == isinstance(y, h5py.Dataset), name
            if isinstance(x, h5py.Dataset):
                assert x.dtype == y.dtype, f"{a.name}: {name}"
                _same_array(x[()], y[()], f"{a.name}: {name}", tolerance)


def _same_attributes(a: dict, b: dict, name: str) -> None:
    assert list(a) == list(b), name
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=f"{name}, attribute {key}")


def _same_array(x: np.ndarray, y: np.ndarray, name: str, tolerance: float) -> None:
    if tolerance and x.dtype.kind == "f":
        # float16 has three digits, whatever the tolerance.
        atol = max(tolerance, 1e-3 * (x.dtype == np.float16))
        np.testing.assert_allclose(x.astype(float), y.astype(float), atol=atol, err_msg=name)
    else:
        np.testing.assert_array_equal(x, y, err_msg=name)


def _same_bigwig(a: Path, b: Path, tolerance: float) -> None:
    with pyBigWig.open(str(a)) as left, pyBigWig.open(str(b)) as right:
        assert left.chroms() == right.chroms()
        for chrom, length in left.chroms().items():
            x = left.values(chrom, 0, length, numpy=True)
            y = right.values(chrom, 0, length, numpy=True)
            np.testing.assert_allclose(x, y, rtol=0, atol=tolerance, err_msg=a.name)
