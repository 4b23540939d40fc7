"""Only what changed runs again; a job that fails leaves no product."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import assert_same, config, jobs_run

pytestmark = pytest.mark.slow

ROWS = [("chrA", s, s + 150) for s in range(1000, 28000, 3000)] + [("chrB", 4000, 4300)]


def bed_config(genome: Path, bed: Path, **changes) -> dict:
    return config(genome, chunk_bp=10_000, **changes) | {
        "regions": {"bed": str(bed)},
        "steps": {
            "predict": {"batch_size": 16},
            "select": None,
            "attribute": {"n_references": 2, "batch_size": 4},
            "seqlets": None,
            "hits": {"null_copies": 2},
            "report": None,
        },
    }


def write_bed(path: Path, rows) -> None:
    path.write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in rows))


def test_one_changed_region_reruns_one_chunk_of_each_map_step(tmp_path, small_genome, snakemake):
    bed, folder = tmp_path / "regions.bed", tmp_path / "run"
    write_bed(bed, ROWS)
    settings = bed_config(small_genome, bed)
    first = jobs_run(snakemake(settings, folder).stderr)
    assert first["predict_chunk"] == first["attribute_chunk"] == 4
    untouched = folder / "results/small/ctcf_pu1/chunks/attribute/c000000.h5"
    before = untouched.stat().st_mtime_ns
    # A row of the last chunk moves; the others keep their place in the file or not.
    write_bed(bed, [("chrB", 4100, 4400), *ROWS[:-1]])
    again = jobs_run(snakemake(settings, folder).stderr)
    assert again["predict_chunk"] == again["attribute_chunk"] == 1
    assert again["predict"] == again["attribute"] == again["hits"] == 1
    assert "prepare" not in again
    assert untouched.stat().st_mtime_ns == before
    # The same products as a run from nothing, in one chunk, which takes fewer jobs.
    snakemake(settings | {"chunk_bp": 100_000}, tmp_path / "fresh")
    assert_same(folder, tmp_path / "fresh")


def test_a_further_model_reruns_nothing_of_the_first(tmp_path, small_genome, resources, snakemake):
    folder = tmp_path / "run"
    steps = {name: None for name in ("select", "attribute", "seqlets", "hits", "report")}
    steps["predict"] = {"batch_size": 64}
    settings = config(small_genome, steps=steps)
    snakemake(settings, folder)
    shutil.copy(resources / "models" / "ctcf_pu1.safetensors", tmp_path)
    text = (resources / "models" / "ctcf_pu1.yaml").read_text()
    (tmp_path / "other.yaml").write_text(text.replace("window_bp: 200", "window_bp: 150"))
    other = {"other": str(tmp_path / "other.yaml")}
    done = snakemake(settings | {"models": settings["models"] | other}, folder)
    ran = [line for line in done.stderr.splitlines() if "wildcards: model=" in line]
    assert ran and all("model=other" in line for line in ran), ran


def test_a_job_that_fails_leaves_no_product(tmp_path, small_genome, snakemake):
    settings = config(small_genome)
    settings["steps"] = settings["steps"] | {
        "attribute": {"n_references": 2, "max_delta": 1e-12},
        "seqlets": None,
        "hits": None,
    }
    done = snakemake(settings, tmp_path, check=False)
    assert done.returncode != 0
    assert "do not add up" in done.stderr and "on_incomplete: warn" in done.stderr
    model = tmp_path / "results/small/ctcf_pu1"
    assert not (model / "attributions.h5").exists()
    assert not list(model.rglob(".tmp*"))
    assert (model / "predictions.h5").exists()
