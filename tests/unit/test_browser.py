"""IGV session and UCSC hub: read back by their formats' rules, every file there."""

from xml.etree import ElementTree

import pytest

from cisweep.outputs import browser
from cisweep.outputs.browser import (
    browser_tracks,
    genomes_text,
    hub_text,
    strongest_peak,
    track_db_text,
    write_igv_session,
)

PRODUCTS = [
    "m/predictions.h5", "m/tracks/ctcf.pred.bw", "m/tracks/starts.plus.pred.bw",
    "m/tracks/ctcf.attr.bw", "m/peaks.bed", "m/hits.bed", "m/variants.vcf.gz",
    "m/variants.vcf.gz.tbi", "design/edits.vcf.gz", "report.html",
]  # fmt: skip


def stanzas(text: str) -> list[dict[str, str]]:
    """Return the stanzas of a hub file: blocks of `key value` lines between empty lines."""
    blocks = [b for b in text.split("\n\n") if b.strip()]
    return [dict(line.split(" ", 1) for line in b.strip().splitlines()) for b in blocks]


def test_tracks_of_a_run():
    tracks = browser_tracks(PRODUCTS)
    assert [t.label for t in tracks] == [
        "m ctcf prediction", "m starts plus prediction", "m ctcf attribution", "m peaks",
        "m motif hits", "m variants", "design edits",
    ]  # fmt: skip


def test_the_session(tmp_path, monkeypatch):
    tracks = browser_tracks(PRODUCTS)
    for track in tracks:
        (tmp_path / track.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / track.path).write_text("x" * (9 if "hits" in track.path else 1))
    path = tmp_path / "igv_session.xml"
    monkeypatch.setattr(browser, "MAX_BED_BYTES", 5)
    left = write_igv_session(path, tracks, tmp_path, "../a & b.fa", "chr1:1-9")
    assert left == ["m/hits.bed"]
    session = ElementTree.parse(path).getroot()
    assert session.tag == "Session" and session.get("genome") == "../a & b.fa"
    assert session.get("locus") == "chr1:1-9" and session.get("version") == "8"
    found = session.findall("Resources/Resource")
    assert [r.get("path") for r in found] == [t.path for t in tracks if "hits" not in t.path]
    for resource in found:
        assert (path.parent / resource.get("path")).is_file()
        assert all(0 <= int(c) < 256 for c in resource.get("color").split(","))


def test_the_hub():
    tracks = browser_tracks(PRODUCTS)
    (hub,) = stanzas(hub_text("run_1", "a@b.org"))
    assert hub["hub"] == "cisweep_run_1" and hub["email"] == "a@b.org"
    assert {"hub", "shortLabel", "longLabel", "genomesFile", "email"} == set(hub)
    (genome,) = stanzas(genomes_text("sacCer3"))
    assert genome == {"genome": "sacCer3", "trackDb": "trackDb.txt"}
    found = stanzas(track_db_text(tracks))
    assert len({s["track"] for s in found}) == len(found) == 5
    for s in found:
        assert s["track"].replace("_", "").isalnum() and len(s["shortLabel"]) <= 17
        assert len(s["longLabel"]) <= 76 and s["bigDataUrl"] in PRODUCTS
        assert s["type"] == ("bigWig" if s["bigDataUrl"].endswith(".bw") else "vcfTabix")
        assert (
            s["type"] == "bigWig" or f"{s['bigDataUrl']}.tbi" in PRODUCTS or "edits" in s["track"]
        )
    assert [s["shortLabel"] for s in found][:2] == ["ctcf pred", "starts plus pred"]
    assert track_db_text([]) == ""


def test_where_a_browser_opens(tmp_path):
    empty, peaks = tmp_path / "empty.bed", tmp_path / "peaks.bed"
    empty.write_text("")
    peaks.write_text(
        "chr1\t100\t300\ta\t-2\t.\nchr2\t50\t250\tb\t1.5\t.\nchr2\t900\t1100\tb\t1\t.\n"
    )
    assert strongest_peak([empty]) is None and strongest_peak([]) is None
    assert strongest_peak([empty, peaks]) == "chr2:1-450"


@pytest.mark.parametrize(
    ("hub", "key"),
    [
        ({"assembly": "hg 38", "email": "a@b.c"}, "assembly"),
        ({"assembly": "hg38", "email": "me"}, "email"),
    ],
)
def test_the_hub_of_the_config(hub, key):
    from pydantic import ValidationError

    from cisweep.steps.report import ReportConfig

    with pytest.raises(ValidationError) as error:
        ReportConfig(hub=hub)
    assert f"hub.{key}" in str(error.value)


def test_sequences_have_no_place_in_a_browser(tmp_path):
    from pathlib import Path

    from cisweep.errors import ConfigError
    from cisweep.plan.plan import Plan

    root = Path(__file__).resolve().parents[2]
    (tmp_path / "s.fa").write_text(">a\nACGT\n")
    data = {
        "run": "r",
        "sequences": str(tmp_path / "s.fa"),
        "models": {"m": str(root / "workflow/resources/models/ctcf_pu1.yaml")},
        "steps": {"predict": {}, "report": {}},
    }
    plan = Plan.from_config(data, root)
    products = ["results/r/m/predictions.h5", "results/r/report.html"]
    assert plan.products() == products
    hub = {"hub": {"assembly": "hg38", "email": "a@b.org"}}
    with pytest.raises(ConfigError) as error:
        Plan.from_config(data | {"steps": {"predict": {}, "report": hub}}, root)
    assert "steps.report.hub: needs a genome" in str(error.value)
    genome = {"fasta": str(root / "workflow/resources/genome/chr20_0_1Mb.fa.gz")}
    data |= {"sequences": None, "genome": genome, "regions": {"tile": {"stride_bp": 100}}}
    tracks = [f"results/r/m/tracks/{t}.pred.bw" for t in ("ctcf", "pu1")]
    assert set(Plan.from_config(data, root).products()) == {
        *products, *tracks, "results/r/igv_session.xml",
    }  # fmt: skip
