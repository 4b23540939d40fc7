"""Jobs of the report: provenance, the page, and what genome browsers open."""

import json
from xml.etree import ElementTree

import pandas as pd

from cisweep.jobs import prepare, report
from cisweep.plan.accounting import COLUMNS

HUB = {"assembly": "toy1", "email": "a@b.org"}


def test_provenance_joins_the_models_and_the_config(small_run, tmp_path):
    (tmp_path / "p.json").write_text('{"model": "m", "model_sha256": "abc"}')
    of = small_run.of_run(small_run.plan(predict={"batch_size": 7}))
    prepare.provenance(of, [tmp_path / "p.json"], tmp_path / "out.json")
    note = json.loads((tmp_path / "out.json").read_text())
    assert note["models"]["m"]["model_sha256"] == "abc" and "model_sha256" not in note
    assert note["config"]["steps"]["predict"]["batch_size"] == 7 and note["settings"] == "s"


def test_the_session_opens_at_the_strongest_peak(small_run, tmp_path):
    (tmp_path / "peaks.bed").write_text("c1\t100\t300\ta\t5\t.\nc2\t400\t600\tb\t9\t.\n")
    of = small_run.of_run(small_run.plan(predict={}, report={"hub": HUB}))
    hub = {name: tmp_path / f"tmp.{name}" for name in ("hub.txt", "genomes.txt", "trackDb.txt")}
    report.report_browser(of, [tmp_path / "peaks.bed"], tmp_path / "igv.xml", hub)
    # With a window's length on both sides.
    session = ElementTree.parse(tmp_path / "igv.xml").getroot()
    assert session.get("genome") == "toy1" and session.get("locus") == "c2:201-800"
    tracks = [r.get("path") for r in session.findall("Resources/Resource")]
    assert tracks == ["m/tracks/ctcf.pred.bw", "m/tracks/pu1.pred.bw"]
    assert "a@b.org" in hub["hub.txt"].read_text() and "toy1" in hub["genomes.txt"].read_text()
    assert "m/tracks/ctcf.pred.bw" in hub["trackDb.txt"].read_text()


def test_the_page_tells_regions_and_what_was_dropped(small_run, tmp_path):
    row = dict.fromkeys(COLUMNS, "x") | {"step": "plan", "model": "m", "chrom": "c1"}
    dropped = pd.DataFrame([row | {"start": 1, "end": 2, "reason": "too_many_n"}])
    dropped.to_csv(tmp_path / "d.tsv", sep="\t", index=False)
    (tmp_path / "prepared.json").write_text('{"model": "m", "model_sha256": "abc123"}')
    of = small_run.of_run(small_run.plan(report={}))
    prepare.provenance(of, [tmp_path / "prepared.json"], tmp_path / "p.json")
    report.report_page(of, tmp_path / "d.tsv", tmp_path / "p.json", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "abc123" in text and "small" in text
