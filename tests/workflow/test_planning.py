"""The plan of a run as Snakemake makes it: jobs by rule."""

import sys
from pathlib import Path

import pytest
from benchmarks.scale import sparse_genome

sys.path.insert(0, str(Path(__file__).parent))
from support import config, jobs_run

pytestmark = pytest.mark.slow

LENGTHS = {"chrA": 240_000, "chrB": 130_000}


def test_a_run_of_many_chunks_has_less_than_three_jobs_a_chunk(tmp_path, small_genome, snakemake):
    regions = {"tile": {"stride_bp": 200}, "max_dropped": 1.0}
    settings = config(sparse_genome(tmp_path, LENGTHS), chunk_bp=500, regions=regions)
    settings["motifs"] = str(small_genome.parent / "motifs.meme")
    done = snakemake(settings, tmp_path / "run", "-n", "--quiet", "rules")
    jobs = jobs_run(done.stdout + done.stderr)
    assert jobs["predict_chunk"] == jobs["attribute_chunk"] == 740
    # Bins of 500, 1,000 and 16,000 bp.
    assert jobs["hits_chunk"] == jobs["seqlets_chunk"] == 370
    assert jobs["seqlets_null_chunk"] == 24 and jobs["select_null_chunk"] <= 32
    assert sum(jobs.values()) < 3 * 740 + 100
