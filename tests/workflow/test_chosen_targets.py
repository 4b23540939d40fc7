"""Steps that are asked for some targets alone: the same values, and nothing of the others."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyfaidx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from described import check_described
from support import STEPS, TARGETS, config, jobs_run

from cisweep.contracts import stored_name

pytestmark = pytest.mark.slow

GROUP_1 = [t for i, t in enumerate(TARGETS) if i % 3 == 1]  # "L2/3 IT" is one of them


@pytest.fixture(scope="module")
def inputs(small_genome, tmp_path_factory) -> Path:
    """The folder of regions to mutate and of a few variants."""
    folder = tmp_path_factory.mktemp("inputs")
    with pyfaidx.Fasta(str(small_genome)) as genome:
        chrom = next(iter(genome.keys()))
        starts = (2000, 3000, 4000)
        (folder / "r.bed").write_text("".join(f"{chrom}\t{s}\t{s + 200}\n" for s in starts))
        rows = []
        for pos in (2101, 3105, 4090):
            ref = str(genome[chrom][pos - 1]).upper()
            rows.append(f"{chrom}\t{pos}\t{ref}\t{'A' if ref != 'A' else 'C'}\n")
    (folder / "v.tsv").write_text("chrom\tpos_1based\tref\talt\n" + "".join(rows))
    return folder


@pytest.fixture(scope="module")
def make(small_genome, many_targets, inputs):
    def made(attribute: dict, ism: dict, variants: dict, **more) -> dict:
        steps = {
            "predict": STEPS["predict"], "select": {"fdr": None, "top_n": 2, "null_windows": 0},
            "attribute": STEPS["attribute"] | {"n_references": 2} | attribute,
            "ism": {"bed": str(inputs / "r.bed"), "span_bp": 20} | ism,
            "variants": {"path": str(inputs / "v.tsv"), "top_n": 1} | variants, "report": {},
        }  # fmt: skip
        return config(small_genome, models={"m": str(many_targets)}, steps=steps | more)

    return made


@pytest.fixture(scope="module")
def every(tmp_path_factory, make, snakemake) -> Path:
    folder = tmp_path_factory.mktemp("every")
    snakemake(make({}, {}, {}), folder, timeout=1200)
    return folder / "results" / "small" / "m"


@pytest.fixture(scope="module")
def some(tmp_path_factory, make, snakemake) -> tuple[Path, dict]:
    pytest.importorskip("modiscolite")
    folder = tmp_path_factory.mktemp("some")
    given = make(
        {"targets": ["L2/3 IT", "t11"]}, {"targets": ["L2/3 IT"]},
        {"targets": ["group 1"]}, discover={"min_seqlets": 20, "window_bp": 100},
    )  # fmt: skip
    done = snakemake(given, folder, timeout=1200)
    return folder / "results" / "small" / "m", jobs_run(done.stderr)


def test_mutants_of_a_target_do_not_depend_on_the_others(every, some):
    with h5py.File(every / "ism.h5") as a, h5py.File(some[0] / "ism.h5") as b:
        name = stored_name("L2/3 IT")
        assert list(b["effects"]) == [name] and len(a["effects"]) == len(TARGETS)
        for kind in ("effects", "predictions"):
            assert np.array_equal(a[f"{kind}/{name}"][:], b[f"{kind}/{name}"][:])
    tracks = [p.name for p in (some[0] / "tracks").glob("*.ism.bw")]
    assert len(tracks) == 1 and tracks[0].startswith("L2")


def test_variants_of_some_targets_are_rows_of_all(every, some):
    tables = [pd.read_parquet(folder / "variants.parquet") for folder in (every, some[0])]
    assert set(tables[1]["target"]) == set(GROUP_1) and len(tables[1]) == 3 * len(GROUP_1)
    whole = tables[0][tables[0]["target"].isin(GROUP_1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, tables[1])
    header = [x for x in _text(some[0] / "variants.vcf.gz") if x.startswith("##INFO")]
    assert not any("Oligo" in line for line in header) and any("t2" in line for line in header)
    assert len(list(some[0].glob("variants.*.hits.tsv"))) == len(GROUP_1)


def test_motifs_are_discovered_for_what_is_explained(some):
    folder, jobs = some
    found = {p.name.removesuffix(".modisco.h5") for p in (folder / "discover").glob("*.h5")}
    assert len(found) == 2 and {"t11"} < found
    assert sum(n for rule, n in jobs.items() if rule.startswith("discover") and n) >= 3


def test_the_page_and_all_files_are_there(some):
    results = some[0].parent
    html = (results / "report.html").read_text()
    assert "Saturation mutagenesis" in html and "Motif discovery" in html
    check_described(results)
    page = next((results / "targets").glob("*Oligo.html")).read_text()
    assert "substitutions with the largest effects" not in page


def _text(path: Path) -> list[str]:
    import gzip

    with gzip.open(path, "rt") as handle:
        return handle.read().splitlines()
