"""Contract 1: merged products do not depend on chunks, cores, order or batch size."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import STEPS, assert_same, config, jobs_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory, small_genome, snakemake):
    """The run in one chunk, on one core."""
    folder = tmp_path_factory.mktemp("one chunk")
    done = snakemake(config(small_genome, chunk_bp=100_000), folder, cores=1)
    assert jobs_run(done.stderr)["predict_chunk"] == 1
    return folder


@pytest.mark.parametrize(("chunk_bp", "n_chunks"), [(14_500, 3), (6_100, 7)])
def test_more_chunks_on_two_cores_give_the_same_products(
    whole, tmp_path, small_genome, snakemake, chunk_bp, n_chunks
):
    done = snakemake(config(small_genome, chunk_bp=chunk_bp), tmp_path / "run")
    assert jobs_run(done.stderr)["predict_chunk"] == n_chunks
    assert_same(whole, tmp_path / "run")


def test_other_batch_sizes_give_the_same_values(whole, tmp_path, small_genome, snakemake):
    steps = STEPS | {
        "predict": {"batch_size": 37},
        "attribute": {"n_references": 4, "batch_size": 3},
    }
    snakemake(config(small_genome, steps=steps), tmp_path / "run")
    assert_same(whole, tmp_path / "run", tolerance=1e-5)


def test_a_second_run_has_nothing_to_do(whole, small_genome, snakemake):
    done = snakemake(config(small_genome, chunk_bp=100_000), whole, cores=1)
    assert "Nothing to be done" in done.stdout + done.stderr
