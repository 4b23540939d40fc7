"""Contract 1: merged products do not depend on chunks, cores, order or batch size."""

import os
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import h5py
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from support import STEPS, assert_same, config, jobs_run

pytestmark = pytest.mark.slow

RUN, MODEL, TARGETS = "S1", "K562-v1.2", ["CTCF", "PU-1.x"]
"""Names as people write them."""


@pytest.fixture(scope="module")
def named(tmp_path_factory, small_genome, resources):
    """Return the config of a run whose names have letters of both cases, - and dots."""
    model = tmp_path_factory.mktemp("model") / "model.yaml"
    data = yaml.safe_load((resources / "models" / "ctcf_pu1.yaml").read_text())
    data.pop("quality", None)  # which names the targets too
    data["folds"][0]["weights"] = str(resources / "models" / "ctcf_pu1.safetensors")
    for target, name in zip(data["targets"], TARGETS):
        target["name"] = name
    model.write_text(yaml.safe_dump(data))

    def make(**changes) -> dict:
        models = {"ctcf_pu1": None, MODEL: str(model)}
        hub = {"report": {"hub": {"assembly": "hg38", "email": "a@b.org"}}}
        found = config(small_genome, run=RUN, models=models, **changes)
        return found | {"steps": found["steps"] | hub}

    return make


@pytest.fixture(scope="module")
def whole(tmp_path_factory, named, snakemake):
    """The run in one chunk, on one core."""
    folder = tmp_path_factory.mktemp("one chunk")
    done = snakemake(named(chunk_bp=100_000), folder, cores=1)
    assert jobs_run(done.stderr)["predict_chunk"] == 1
    return folder


def test_names_stand_in_files_datasets_and_links(whole):
    results = whole / "results" / RUN
    with h5py.File(results / MODEL / "attributions.h5") as file:
        assert sorted(file["attributions"]) == TARGETS
    tracks = {f"{t}.{kind}.bw" for t in TARGETS for kind in ("pred", "attr")}
    shown = {p.name for p in (results / MODEL / "tracks").iterdir() if p.name[0] != "."}
    assert shown == tracks
    session = ElementTree.parse(results / "browser" / "igv.xml").getroot()
    shown = [resource.get("path") for resource in session.iter("Resource")]
    assert len(shown) == 7 and all((results / "browser" / path).is_file() for path in shown)
    hub = (results / "browser" / "trackDb.txt").read_text()
    assert sorted(re.findall("^ *bigDataUrl (.*)$", hub, re.MULTILINE)) == sorted(shown)
    for page in re.findall("^html (.*)$", hub, re.MULTILINE):
        assert MODEL in (results / "browser" / page).read_text()
    # Without the explorer's libraries, whose code holds links too.
    html = re.sub(r"<script.*?</script>", "", (results / "report.html").read_text(), flags=re.S)
    ids = re.findall(r'id="([^"]+)"', html)
    links = set(re.findall(r'href="([^"]+)"', html)) - {f"#cs-{b}" for b in "ACGT"}
    assert len(set(ids)) == len(ids) and any(f"model-{MODEL}" in link for link in links)
    for link in links:
        assert link[1:] in ids if link.startswith("#") else (results / link).is_file(), link


def test_more_chunks_on_two_cores_give_the_same_products(whole, tmp_path, named, snakemake):
    # Two borders within chrA, a chunk of both chromosomes, and a short last one.
    done = snakemake(named(chunk_bp=11_900), tmp_path / "run")
    assert jobs_run(done.stderr)["predict_chunk"] == 4
    assert_same(whole, tmp_path / "run")


FEWER = """
from cisweep.plan.contents import hits, null_stretches, seqlets, seqlets_null
hits.MOST_CHUNKS = seqlets.MOST_CHUNKS = 2
seqlets_null.MOST_CHUNKS = null_stretches.MOST_JOBS = 1
"""
"""What a genome of hundreds of chunks does, at a few: Python runs sitecustomize.py at its start."""


def test_chunks_that_are_joined_give_the_same_products(
    whole, tmp_path, named, snakemake, monkeypatch
):
    (tmp_path / "sitecustomize.py").write_text(FEWER)
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [path])]))
    done = snakemake(named(chunk_bp=7_000), tmp_path / "run", warm=False)
    jobs = jobs_run(done.stderr)
    assert jobs["predict_chunk"] == jobs["attribute_chunk"] == 6
    assert jobs["hits_chunk"] == jobs["seqlets_chunk"] == 2
    assert jobs["seqlets_null_chunk"] == jobs["select_null_chunk"] == 1
    assert_same(whole, tmp_path / "run")


# Three minutes more of what the test above and tests/oracle/test_batch_sizes.py show apart.
@pytest.mark.long
def test_other_chunks_and_batch_sizes_give_the_same_values(whole, tmp_path, named, snakemake):
    steps = STEPS | {
        "predict": {"batch_size": 37},
        "attribute": {"n_references": 4, "batch_size": 3},
    }
    done = snakemake(named(steps=steps, chunk_bp=14_500), tmp_path / "run")
    assert jobs_run(done.stderr)["predict_chunk"] == 3
    assert_same(whole, tmp_path / "run", tolerance=1e-5)


def test_a_second_run_has_nothing_to_do(whole, named, snakemake):
    done = snakemake(named(chunk_bp=100_000), whole, cores=1)
    assert "Nothing to be done" in done.stdout + done.stderr
