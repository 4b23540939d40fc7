"""Jobs of the report: provenance, the page, and what genome browsers open."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pyBigWig
import yaml

from cisweep.contracts import FIGURE_COPIES
from cisweep.jobs import prepare, report
from cisweep.outputs.browser import browser_tracks
from cisweep.outputs.hub import composites
from cisweep.plan.accounting import COLUMNS
from cisweep.plan.page import page_figures
from cisweep.steps.report import HUB_FILES

HUB = {"assembly": "toy1", "email": "a@b.org"}


def test_provenance_joins_the_models_and_the_config(small_run, tmp_path):
    (tmp_path / "p.json").write_text('{"model": "m", "model_sha256": "abc"}')
    of = small_run.of_run(small_run.plan(predict={"batch_size": 7}))
    prepare.provenance(of, [tmp_path / "p.json"], tmp_path / "out.json")
    note = json.loads((tmp_path / "out.json").read_text())
    assert note["models"]["m"]["model_sha256"] == "abc" and "model_sha256" not in note
    assert note["config"]["steps"]["predict"]["batch_size"] == 7 and note["settings"] == "s"


def files(plan, tmp_path) -> report.BrowserFiles:
    """Return paths for all that a run with these steps leaves for genome browsers."""
    tracks = browser_tracks(path.removeprefix("results/small/") for path in plan.products())
    hub = [*HUB_FILES, *(each.page for each in composites(tracks))]
    return report.BrowserFiles(
        tmp_path / "igv.xml",
        tmp_path / "igv.json",
        {track.bigbed: tmp_path / f"tmp.{track.bigbed}" for track in tracks if track.is_rows},
        {name: tmp_path / f"tmp.{name}" for name in hub} if plan.config.steps.report.hub else {},
    )


def test_the_sessions_open_at_the_strongest_peak(small_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    peaks = tmp_path / "results/small/m/peaks.bed"
    peaks.parent.mkdir(parents=True)
    peaks.write_text("c1\t100\t300\ta\t5\t.\nc2\t400\t600\tb\t9\t.\n")
    of = small_run.of_run(small_run.plan(predict={}, select={}, report={"hub": HUB}))
    out = files(of.plan, tmp_path)
    report.report_browser(of, [peaks], out)
    # With a window's length on both sides.
    session = ElementTree.parse(out.igv).getroot()
    assert session.get("genome") == "toy1" and session.get("locus") == "c2:201-800"
    tracks = ["../m/tracks/ctcf.pred.bw", "../m/tracks/pu1.pred.bw", "m.peaks.bb"]
    assert [r.get("path") for r in session.findall("Resources/Resource")] == tracks
    session = json.loads(out.igv_js.read_text())
    assert (session["genome"], session["locus"]) == ("toy1", "c2:201-800")
    assert [track["url"] for track in session["tracks"]] == tracks
    with pyBigWig.open(str(out.bigbed["m.peaks.bb"])) as file:
        assert file.chroms() == {"c1": 3000, "c2": 2000}
        assert file.entries("c2", 0, 2000) == [(400, 600, "b\t9\t.")]
        assert "Predicted peaks" in file.SQL().decode()
    text = {name: path.read_text() for name, path in out.hub.items()}
    assert "a@b.org" in text["hub.txt"] and "toy1" in text["genomes.txt"]
    assert "../m/tracks/ctcf.pred.bw" in text["trackDb.txt"]
    assert "<td>m ctcf prediction</td><td>logit</td>" in text["prediction.html"]
    assert set(text) == {*HUB_FILES, "prediction.html", "peaks.html"}


def test_the_session_of_igv_js_names_the_fasta_and_its_index(small_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of = small_run.of_run(small_run.plan(predict={}, report={}))
    out = files(of.plan, tmp_path)
    report.report_browser(of, [], out)
    session = json.loads(out.igv_js.read_text())
    browser = tmp_path / "results/small/browser"
    browser.mkdir(parents=True)
    found = [browser / session["reference"][key] for key in ("fastaURL", "indexURL")]
    fasta = small_run.folder / "genome.fa"
    assert [path.resolve() for path in found] == [fasta, Path(f"{fasta}.fai")]
    assert session["locus"] == "c1" and not out.hub and not out.bigbed


def test_a_profile_has_counts_per_base_as_its_unit(small_run, tmp_path):
    model = {
        "adapter": "state_dict", "module": "BPNet", "window_bp": 300,
        "targets": [{"name": "counts", "head": 1, "tasks": [0], "scale": "log1p_counts"}],
        "tracks": [
            {"name": "starts", "tasks": [0, 1], "counts": ["counts"]},
            {"name": "raw", "tasks": [0]},
        ],
        "folds": [{"weights": "w.safetensors"}],
    }  # fmt: skip
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(model))
    plan = small_run.plan(tmp_path / "m.yaml", predict={}, report={"hub": HUB})
    tracks = browser_tracks(path.removeprefix("results/small/") for path in plan.products())
    found = {track.name: report._unit(plan, track) for track in tracks}
    assert found == {
        "counts": "log(1 + counts)", "raw": "value",
        "starts plus": "counts per base", "starts minus": "counts per base",
    }  # fmt: skip


def test_the_page_tells_regions_and_what_was_dropped(small_run, tmp_path):
    row = dict.fromkeys(COLUMNS, "x") | {"step": "plan", "model": "m", "chrom": "c1"}
    dropped = pd.DataFrame([row | {"start": 1, "end": 2, "reason": "too_many_n"}])
    dropped.to_csv(tmp_path / "d.tsv", sep="\t", index=False)
    (tmp_path / "prepared.json").write_text('{"model": "m", "model_sha256": "abc123"}')
    of = small_run.of_run(small_run.plan(report={}))
    prepare.provenance(of, [tmp_path / "prepared.json"], tmp_path / "p.json")
    report.report_page(of, tmp_path / "d.tsv", tmp_path / "p.json", tmp_path / "page.html", {}, {})
    text = (tmp_path / "page.html").read_text()
    assert "abc123" in text and "small" in text


def test_figures_that_the_page_draws_itself_are_files_too(small_run, tmp_path):
    plan = small_run.plan(predict={}, attribute={}, report={})
    drawn = ["m.predictions.svg", "m.regions.ctcf.svg", "m.regions.pu1.svg"]
    assert page_figures(plan) == [f"figures/{name}" for name in drawn]
    # A run without predictions has none to draw; its job must leave each file all the same.
    of = small_run.of_run(small_run.plan(report={}))
    pd.DataFrame(columns=COLUMNS).to_csv(tmp_path / "d.tsv", sep="\t", index=False)
    (tmp_path / "prepared.json").write_text('{"model": "m", "model_sha256": "abc123"}')
    prepare.provenance(of, [tmp_path / "prepared.json"], tmp_path / "p.json")
    given = tmp_path / "d.tsv", tmp_path / "p.json", tmp_path / "page.html"
    report.report_page(of, *given, {"m.predictions.svg": tmp_path / "tmp.svg"}, {})
    assert "nothing to draw" in (tmp_path / "tmp.svg").read_text()
    assert all((tmp_path / "tmp").with_suffix(end).exists() for end in FIGURE_COPIES)
