"""A new step, adapter and output are files of their own and one `include:`, and no other change.

tests/data/new_step holds those files, as they lie in the project: a step that counts G and C, an
adapter that reads a weight a base, a writer of bedGraph. The step has chunks, regions that it
accounts for, a part of the page and a track in the browser's session.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.slow

WINDOW, STRIDE = 50, 25
MODEL = """adapter: base_weights
window_bp: 50
targets: [{name: sum, scale: value}]
folds: [{weights: weights.json}]
"""


@pytest.fixture(scope="module")
def copied(root, tmp_path_factory) -> Path:
    """The project with the new files, none of which replaces one, and one line more."""
    folder, added = tmp_path_factory.mktemp("project"), root / "tests" / "data" / "new_step"
    for name in ("workflow", "scripts", "config", "profiles", "envs"):
        skip = shutil.ignore_patterns("__pycache__", "resources")
        shutil.copytree(root / name, folder / name, ignore=skip)
    text = (root / "Snakefile").read_text()
    last = 'include: "workflow/rules/report.smk"\n'
    assert text.count(last) == 1
    new = 'include: "workflow/rules/gc.smk"\n'
    (folder / "Snakefile").write_text(text.replace(last, new + last))
    for path in (p for p in added.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        target = folder / path.relative_to(added)
        assert not target.exists(), f"{target.name} would replace a file"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    return folder


@pytest.fixture(scope="module")
def genome() -> dict[str, str]:
    rng = np.random.default_rng(3)
    found = {name: "".join(rng.choice(list("ACGT"), 1000)) for name in ("c1", "c2")}
    found["c2"] = found["c2"][:500] + "N" * 60 + found["c2"][560:]
    return found


@pytest.fixture(scope="module")
def results(copied, genome, tmp_path_factory) -> Path:
    """The products of a run of the new step, a prediction by the new adapter, and the page."""
    folder, offset = tmp_path_factory.mktemp("run"), 0
    with open(folder / "g.fa", "w") as fasta, open(folder / "g.fa.fai", "w") as index:
        for name, bases in genome.items():
            offset += len(name) + 2
            fasta.write(f">{name}\n{bases}\n")
            index.write(f"{name}\t{len(bases)}\t{offset}\t{len(bases)}\t{len(bases) + 1}\n")
            offset += len(bases) + 1
    (folder / "weights.json").write_text('{"A": 0, "C": 1, "G": 1, "T": 0}')
    (folder / "model.yaml").write_text(MODEL)
    run = {
        "run": "r",
        "genome": {"fasta": "g.fa"},
        "regions": {"tile": {"stride_bp": STRIDE}, "chroms": ".*"},
        "models": {"weights": "model.yaml"},
        "chunk_bp": 1000,
        "steps": {"predict": {"tracks": False}, "gc": {}, "report": {}},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run))
    command = [sys.executable, "-m", "snakemake", "-s", str(copied / "Snakefile"), "--cores", "1"]
    done = subprocess.run(
        [*command, "--configfile", "run.yaml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(copied / "workflow" / "src")},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return folder / "results" / "r"


def test_the_step_counts_what_the_letters_hold(results, genome):
    table = pd.read_csv(results / "weights" / "gc.tsv", sep="\t")
    whole = [
        (chrom, start)
        for chrom, bases in genome.items()
        for start in range(0, len(bases) - WINDOW + 1, STRIDE)
        if bases[start : start + WINDOW].count("N") <= 0.1 * WINDOW
    ]
    assert list(zip(table["chrom"], table["start"])) == whole
    counted = [genome[c][s : s + WINDOW].count("G") + genome[c][s : s + WINDOW].count("C")
               for c, s in whole]  # fmt: skip
    assert table["gc"].tolist() == counted
    lines = (results / "weights" / "tracks" / "gc.bedgraph").read_text().splitlines()
    rows = zip(whole, counted)
    assert lines == [f"{c}\t{start}\t{start + WINDOW}\t{n}" for (c, start), n in rows]


def test_the_adapter_predicts(results):
    table = pd.read_csv(results / "weights" / "gc.tsv", sep="\t")
    with h5py.File(results / "weights" / "predictions.h5") as file:
        np.testing.assert_array_equal(file["predictions/sum"][()], table["gc"])


def test_the_first_step_that_sweeps_accounts_for_the_regions(results):
    dropped = pd.read_csv(results / "dropped_regions.tsv", sep="\t")
    assert set(dropped["step"]) == {"gc"} and set(dropped["reason"]) == {"too_many_n"}
    assert set(dropped["chrom"]) == {"c2"}


def test_what_it_leaves_is_described(results, copied, root):
    code = (
        "import sys; from pathlib import Path; from described import check_described\n"
        "print(sorted(n for p, n in check_described(Path(sys.argv[1])) if p == '<model>/gc.tsv'))"
    )
    paths = [copied / "workflow" / "src", root / "tests"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(results)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "['chrom', 'end', 'gc', 'start']\n", done.stderr


def test_the_page_and_the_browser_show_it(results):
    table = pd.read_csv(results / "weights" / "gc.tsv", sep="\t")
    page = (results / "report.html").read_text()
    assert f"{len(table)} windows have {table['gc'].mean():.2f} G or C on average." in page
    session = (results / "browser" / "igv.xml").read_text()
    assert 'path="../weights/tracks/gc.bedgraph"' in session and "G and C" in session
