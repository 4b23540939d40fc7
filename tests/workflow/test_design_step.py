"""The design step in a workflow: products, chunk invariance, faults before any job."""

import sys
from pathlib import Path

import pandas as pd
import pysam
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import config, jobs_run

pytestmark = pytest.mark.slow

GOALS = {
    "ctcf": [
        {"model": "ctcf_pu1", "target": "ctcf", "kind": "change", "value": 6.0, "tolerance": 2.0},
        {"model": "ctcf_pu1", "target": "pu1", "kind": "keep", "tolerance": 2.0},
    ]
}
OFF = {"select": None, "attribute": None, "seqlets": None, "hits": None, "report": None}


def overlay(genome: Path, bed: Path, **changes) -> dict:
    options = {"regions": str(bed), "goals": GOALS, "max_iter": 15, "samples": 4,
               "n_references": 2, "l": 1.0} | changes  # fmt: skip
    return config(genome, steps={"predict": {"batch_size": 64}, "design": options} | OFF)


@pytest.fixture
def bed(tmp_path) -> Path:
    path = tmp_path / "designs.bed"
    path.write_text("chrA\t2000\t2200\tone\nchrA\t20000\t20200\ttwo\nchrB\t5000\t5200\tthree\n"
                    "chrA\t10\t50\tgone\n")  # fmt: skip
    return path


def test_designs_do_not_depend_on_chunks(tmp_path, small_genome, snakemake, bed):
    folders = [tmp_path / "one", tmp_path / "many"]
    for folder, chunk_bp, n in zip(folders, (100_000, 15_000), (1, 3)):
        done = snakemake(overlay(small_genome, bed) | {"chunk_bp": chunk_bp}, folder)
        assert jobs_run(done.stderr)["design_chunk"] == n
    one, many = (f / "results" / "small" / "design" for f in folders)
    for name in ("designs.fa", "dropped.tsv", "designs.parquet"):
        assert (one / name).read_bytes() == (many / name).read_bytes()
    table = pd.read_parquet(one / "designs.parquet")
    assert list(table["name"].unique()) == ["one", "two", "three"]
    assert "off_chromosome_end" in (one / "dropped.tsv").read_text()
    genome = pysam.FastaFile(str(small_genome))
    records = list(pysam.VariantFile(str(one / "edits.vcf.gz")))
    assert records
    assert all(genome.fetch(r.chrom, r.start, r.stop).upper() == r.ref for r in records)
    assert all((one / "figures" / f"{n}.svg").is_file() for n in ("loss", "edits", "logos"))


def test_faults_of_the_config_stop_before_any_job(tmp_path, small_genome, snakemake, bed):
    wrong = {"x": [{"model": "nobody", "target": "ctcf", "kind": "maximise"},
                   {"model": "ctcf_pu1", "target": "gata", "kind": "keep"}]}  # fmt: skip
    done = snakemake(overlay(small_genome, bed, goals=wrong), tmp_path / "run", check=False)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "no model 'nobody'" in text and "no target 'gata'" in text
    assert not (tmp_path / "run" / "results").exists()
