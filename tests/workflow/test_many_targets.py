"""A run of a model with fourteen targets: at the cost of what is asked, and a page of each."""

import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from described import check_described
from support import STEPS, TARGETS, assert_same, config, jobs_run

from cisweep.contracts import stored_name

pytestmark = pytest.mark.slow

PER_PEAK = ("attributions", "attributions_sd", "hypothetical", "delta", "delta_y")


@pytest.fixture(scope="module")
def make(small_genome, many_targets):
    """Return the function that makes the config of a run, with these options of `attribute`."""

    def made(chunk_bp=100_000, **attribute) -> dict:
        steps = STEPS | {"attribute": STEPS["attribute"] | attribute, "report": {}}
        steps["select"] = {"fdr": None, "top_n": 5, "null_windows": 0}
        return config(small_genome, models={"m": str(many_targets)}, chunk_bp=chunk_bp, steps=steps)

    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory, make, snakemake):
    """The run with the defaults, and its jobs."""
    folder = tmp_path_factory.mktemp("own")
    return folder, jobs_run(snakemake(make(), folder).stderr)


def attributions(folder: Path) -> dict[str, dict]:
    """Return target -> place of a window -> what is known of the pair."""
    found = {}
    with h5py.File(folder / "results" / "small" / "m" / "attributions.h5") as file:
        places = list(zip(file["regions/chrom"].asstr()[:], file["regions/start"][:].tolist()))
        for target in TARGETS:
            stored = stored_name(target)
            rows = file[f"rows/{stored}"][:]
            values = [file[f"{kind}/{stored}"][:] for kind in PER_PEAK]
            found[target] = {places[r]: [v[i] for v in values] for i, r in enumerate(rows)}
    return found


def test_each_target_is_explained_at_its_own_peaks(run):
    folder, _ = run
    peaks = pd.read_csv(folder / "results" / "small" / "m" / "peaks.tsv", sep="\t")
    found = attributions(folder)
    for target, mine in peaks.groupby("target"):
        assert set(found[target]) == set(zip(mine["chrom"], mine["start"])), target
    assert sum(map(len, found.values())) == len(peaks)


def test_a_pair_has_the_same_bytes_whatever_else_is_explained(run, make, snakemake, tmp_path):
    snakemake(make(targets=["group 0", "L2/3 IT"]), tmp_path)
    own, others = attributions(run[0]), attributions(tmp_path)
    asked = {t for i, t in enumerate(TARGETS) if i % 3 == 0} | {"L2/3 IT"}
    for target in TARGETS:
        if target not in asked:
            assert not others[target]
            continue
        assert set(own[target]) <= set(others[target])
        for place, values in own[target].items():
            for a, b in zip(values, others[target][place]):
                assert np.array_equal(a, b)
    exported = tmp_path / "results" / "small" / "m" / "export"
    assert len([p for p in exported.iterdir() if p.suffix == ".narrowPeak"]) == len(asked)


def test_few_jobs_write_the_products_of_all_targets(run):
    _, jobs = run
    assert jobs["predict_track"] == jobs["attribute_track"] == jobs["attribute_export"] == 1
    assert not any(re.search(r"_\d+$", rule) for rule in jobs)


def test_other_chunks_give_the_same_products(run, make, snakemake, tmp_path):
    snakemake(make(chunk_bp=11_900), tmp_path)
    assert_same(run[0], tmp_path)


def test_what_is_left_is_described(run):
    found = check_described(run[0] / "results" / "small")
    assert ("<model>/attributions.h5", "rows/<target>") in found or any(
        path == "<model>/attributions.h5" and field.startswith("rows/") for path, field in found
    )


def test_the_page_leads_to_a_page_of_each_target(run):
    results = run[0] / "results" / "small"
    html = re.sub(r"<script.*?</script>", "", (results / "report.html").read_text(), flags=re.S)
    glance = re.search(r'<div class="glance">.*?<ul>(.*?)</ul>', html, re.S)[1]
    assert glance.count("<li") <= 10
    for target in TARGETS:
        link = re.search(f'<a href="(targets/[^"]*)">{re.escape(target)}</a>', html)
        assert link, target
        page = (results / link[1]).read_text()
        assert f"Motif families by what they explain of {target}" in page
        assert f"Motif families by what they explain of {target}" not in html
        ids = set(re.findall(r'id="([^"]+)"', page))
        for other in re.findall(r'href="([^"]+)"', page):
            where = (results / "targets" / other).resolve()
            assert other[1:] in ids if other.startswith("#") else where.is_file(), other
    # Which targets are alike; and, where motifs are named, who is driven by what.
    families = pd.read_csv(results / "m" / "motif_families.tsv", sep="\t")
    named = (families["drives"] | families["lowers"]).any()
    assert html.count('<svg class="map"') == 1 + named
    assert html.count("<title>") >= len(TARGETS) ** 2
