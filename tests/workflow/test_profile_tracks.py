"""A profile model in a run: tracks of both strands, metrics, and that chunks do not matter."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch
import yaml
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from support import assert_same, config

pytestmark = pytest.mark.slow
W, L = 300, 120


@pytest.fixture(scope="module")
def profile(tmp_path_factory, small_genome):
    """A config with a small BPNet and observed signal of both strands."""
    from cisweep.models import BPNet

    folder = tmp_path_factory.mktemp("profile")
    args = {"n_filters": 4, "n_layers": 3, "first_width": 7, "profile_width": 15, "trimming": 90}
    torch.manual_seed(1)
    save_file(BPNet(**args).state_dict(), folder / "w.safetensors")
    model = {
        "adapter": "state_dict", "module": "BPNet", "module_args": args, "window_bp": W,
        "targets": [{"name": "counts", "head": 1, "tasks": [0], "scale": "log1p_counts"}],
        "tracks": [{"name": "starts", "tasks": [0, 1], "counts": ["counts"]}],
        "rc": {"average": True, "task_permutation": [1, 0]},
        "folds": [{"weights": "w.safetensors"}],
    }  # fmt: skip
    (folder / "m.yaml").write_text(yaml.safe_dump(model))
    lengths = {"chrA": 30_000, "chrB": 12_000}
    rng = np.random.default_rng(0)
    for strand in ("plus", "minus"):
        with pyBigWig.open(str(folder / f"{strand}.bw"), "w") as file:
            file.addHeader(list(lengths.items()))
            for chrom, n in lengths.items():
                counts = rng.poisson(0.2, n).astype(float)
                file.addEntries(chrom, 0, values=counts, span=1, step=1)
    signal = [str(folder / f"{s}.bw") for s in ("plus", "minus")]
    predict = {"signal": {"starts": {"paths": signal}, "counts": {"paths": signal, "width_bp": L}}}
    off = dict.fromkeys(("select", "attribute", "seqlets", "hits"))
    report = {"hub": {"assembly": "sacCer3", "email": "nobody@example.org"}}
    return config(
        small_genome,
        models={"m": str(folder / "m.yaml")},
        regions={"tile": {"stride_bp": 70}},
        motifs=None,
        steps=off | {"predict": predict, "report": report},
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory, profile, snakemake):
    folder = tmp_path_factory.mktemp("whole")
    snakemake(profile, folder, cores=1)
    return folder


def test_each_base_is_that_of_the_nearest_centre(whole):
    model = whole / "results/small/m"
    with h5py.File(model / "predictions.h5") as file:
        chrom = file["regions/chrom"].asstr()[:]
        start = file["regions/start"][:]
        values = file["predictions/starts"][:]
    assert values.shape[1:] == (2, L) and (values >= 0).all()
    centre = start + W // 2
    rng = np.random.default_rng(0)
    for row, strand in enumerate(("plus", "minus")):
        with pyBigWig.open(str(model / f"tracks/starts.{strand}.pred.bw")) as track:
            assert track.chroms() == {"chrA": 30_000, "chrB": 12_000}
            for name, n in track.chroms().items():
                got = np.array(track.values(name, 0, n))
                mine = np.flatnonzero(chrom == name)
                for x in rng.integers(0, n, 300):
                    best = mine[np.argmin(np.abs(centre[mine] - x))]
                    low = start[best] + (W - L) // 2
                    inside = low <= x < low + L
                    want = values[best, row, x - low] if inside else np.nan
                    np.testing.assert_allclose(got[x], want, rtol=1e-6)
                assert np.isfinite(got).mean() > 0.9


def test_metrics_are_those_of_the_arrays(whole, profile):
    table = pd.read_csv(whole / "results/small/m/metrics.tsv", sep="\t")
    assert set(table["name"]) == {"starts", "counts"} and set(table["windows"]) == {"all"}
    with h5py.File(whole / "results/small/m/predictions.h5") as file:
        chrom, centre = file["regions/chrom"].asstr()[:], file["regions/start"][:] + W // 2
        counts = file["predictions/counts"][:]
    total = np.zeros(len(chrom))
    for path in profile["steps"]["predict"]["signal"]["counts"]["paths"]:
        with pyBigWig.open(path) as file:
            total += [
                np.nansum(file.values(c, int(x) - L // 2, int(x) + L // 2))
                for c, x in zip(chrom, centre)
            ]
    want = np.corrcoef(counts, np.log1p(total))[0, 1]
    row = table[(table["name"] == "counts") & (table["metric"] == "counts_pearson")].iloc[0]
    assert row["value"] == pytest.approx(want, abs=1e-6) and row["n"] == len(chrom)


def test_the_page_and_what_browsers_open(whole):
    folder = whole / "results/small"
    browser = folder / "browser"
    session = ElementTree.parse(browser / "igv.xml").getroot()
    shown = [r.get("path") for r in session.iter("Resource")]
    hub = [
        line.split()[1]
        for line in (browser / "trackDb.txt").read_text().splitlines()
        if line.strip().startswith("bigDataUrl ")
    ]
    names = ["counts.pred", "starts.plus.pred", "starts.minus.pred"]
    assert shown == hub == [f"../m/tracks/{n}.bw" for n in names]
    assert all((browser / path).is_file() for path in shown)
    assert "genome sacCer3" in (browser / "genomes.txt").read_text()
    assert (browser / "prediction.html").read_text().count("<td>counts per base</td>") == 2
    html = (folder / "report.html").read_text()
    assert "starts: predicted and observed counts correlate with r =" in html
    assert 'href="browser/igv.xml"' in html and 'href="browser/hub.txt"' in html


@pytest.mark.parametrize("chunk_bp", [9_000])
def test_chunks_do_not_matter(whole, tmp_path, profile, snakemake, chunk_bp):
    snakemake(profile | {"chunk_bp": chunk_bp}, tmp_path / "run")
    assert_same(whole, tmp_path / "run")


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        ({"starts": {"paths": ["{bw}"]}}, "the track has 2 strands; give one file for each"),
        (
            {"other": {"paths": ["{bw}"]}},
            "no model has this target or track (there are: counts",
        ),
        ({"counts": {"paths": ["no.bw"]}}, "signal.counts.paths.0: no such file no.bw"),
    ],
)
def test_wrong_signal_is_said_before_any_job(tmp_path, profile, snakemake, signal, said):
    paths = profile["steps"]["predict"]["signal"]["counts"]["paths"]
    for each in signal.values():
        each["paths"] = [p.replace("{bw}", paths[0]) for p in each["paths"]]
    steps = profile["steps"] | {"predict": {"signal": signal}}
    done = snakemake(profile | {"steps": steps}, tmp_path / "run", check=False)
    assert done.returncode and said in done.stdout + done.stderr
