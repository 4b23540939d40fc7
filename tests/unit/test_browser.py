"""Sessions of IGV and igv.js, and the UCSC hub: read back by their formats' rules."""

import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from cisweep.outputs.browser import (
    browser_tracks,
    igv_js_reference,
    igv_js_session,
    strongest_peak,
    write_igv_session,
)
from cisweep.outputs.hub import (
    MAX_SHOWN,
    composite_page,
    composites,
    genomes_text,
    hub_page,
    hub_text,
    track_db_text,
)

PRODUCTS = [
    "m/predictions.h5", "m/tracks/ctcf.pred.bw", "m/tracks/starts.plus.pred.bw",
    "m/tracks/ctcf.attr.bw", "m/peaks.bed", "m/hits.bed", "m/variants.vcf.gz",
    "m/variants.vcf.gz.tbi", "design/edits.vcf.gz", "report.html",
]  # fmt: skip
SHOWN = [
    "../m/tracks/ctcf.pred.bw", "../m/tracks/starts.plus.pred.bw", "../m/tracks/ctcf.attr.bw",
    "m.peaks.bb", "m.hits.bb", "../m/variants.vcf.gz", "../design/edits.vcf.gz",
]  # fmt: skip
LETTERS = ["../m/tracks/ctcf.attr.bw"]


def stanzas(text: str) -> list[dict[str, str]]:
    """Return the stanzas of a hub file: blocks of `key value` lines between empty lines."""
    blocks = [b for b in text.split("\n\n") if b.strip()]
    return [dict(ln.strip().split(" ", 1) for ln in b.strip().splitlines()) for b in blocks]


def test_tracks_of_a_run():
    tracks = browser_tracks(PRODUCTS)
    assert [t.label for t in tracks] == [
        "m ctcf prediction", "m starts plus prediction", "m ctcf attribution", "m peaks",
        "m motif hits", "m variants", "design edits",
    ]  # fmt: skip
    assert [t.shown for t in tracks] == SHOWN
    assert all(t.kind.about.endswith(".") for t in tracks)


# ---- Sessions ------------------------------------------------------------------------------------


def test_the_session_of_igv(tmp_path):
    path = tmp_path / "igv.xml"
    write_igv_session(path, browser_tracks(PRODUCTS), "../a & b.fa", "chr1:1-9")
    session = ElementTree.parse(path).getroot()
    assert session.tag == "Session" and session.get("genome") == "../a & b.fa"
    assert session.get("locus") == "chr1:1-9" and session.get("version") == "8"
    assert [r.get("path") for r in session.findall("Resources/Resource")] == SHOWN
    # IGV joins a track to its resource by the path.
    tracks = session.findall("Panel/Track")
    assert [t.get("id") for t in tracks] == SHOWN
    assert [t.get("id") for t in tracks if t.get("renderer") == "DYNSEQ"] == LETTERS
    assert [t.get("renderer") for t in tracks[:2]] == ["BAR_CHART"] * 2
    for track in tracks:
        assert all(0 <= int(c) < 256 for c in track.get("color").split(","))


def test_the_session_of_igv_js():
    tracks = browser_tracks(PRODUCTS)
    files = ["../../x y#1.fa.gz", "../../x y#1.fa.gz.fai", "../../x y#1.fa.gz.gzi"]
    session = json.loads(igv_js_session(tracks, igv_js_reference("r", files), "chr1:1-9"))
    reference = session["reference"]
    assert (reference["id"], reference["name"]) == ("r", "x y#1.fa.gz")
    urls = [reference[key] for key in ("fastaURL", "indexURL", "compressedIndexURL")]
    assert [unquote(url) for url in urls] == files and not any(" " in u or "#" in u for u in urls)
    assert session["locus"] == "chr1:1-9" and "genome" not in session
    found = session["tracks"]
    assert [t["url"] for t in found] == SHOWN
    assert [t["url"] for t in found if t.get("graphType") == "dynseq"] == LETTERS
    kinds = [("wig", "bigwig")] * 3 + [("annotation", "bigbed")] * 2 + [("variant", "vcf")] * 2
    assert [(t["type"], t["format"]) for t in found] == kinds
    assert [t.get("indexURL") for t in found[5:]] == [f"{url}.tbi" for url in SHOWN[5:]]
    assert all(re.fullmatch(r"rgb\(\d+,\d+,\d+\)", t["color"]) for t in found)
    plain = igv_js_reference("r", ["../x.fa", "../x.fa.fai"])
    assert plain["indexURL"] == "../x.fa.fai" and "compressedIndexURL" not in plain
    assert json.loads(igv_js_session([], "hg38", "chr1"))["genome"] == "hg38"


# ---- The hub -------------------------------------------------------------------------------------

REQUIRED = {"track", "type", "shortLabel", "longLabel"}
ALLOWED = {
    "bigWig": {"autoScale", "alwaysZero", "maxHeightPixels", "altColor", "logo"},
    "bigBed 6": {"spectrum"},
    "vcfTabix": set(),
}
"""Settings of the type in UCSC's Hub Track Database Definition (v3), beside those of all types."""
OF_ALL = {"color", "priority"}
COMPOSITE = {"compositeTrack", "visibility", "priority", "allButtonPair", "dragAndDrop", "html"}


def hub_faults(text: str) -> list[str]:
    """Return what UCSC's rules of trackDb.txt find wrong with one."""
    found, faults = stanzas(text), []
    names = [s.get("track", "").lower() for s in found]
    if len(set(names)) < len(names):
        faults.append("names of tracks occur twice")
    parents: dict[str, dict] = {}
    for s in found:
        name = s.get("track", "?")
        is_composite = "compositeTrack" in s
        own = COMPOSITE if is_composite else {"parent", "bigDataUrl", *OF_ALL}
        own = own if is_composite else own | ALLOWED.get(s.get("type", ""), set())
        faults += [f"{name} has no {key}" for key in REQUIRED - set(s)]
        faults += [f"{name}: {key} is not allowed" for key in set(s) - REQUIRED - own]
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
            faults.append(f"{name!r} is no name of a track")
        if s.get("type") not in ALLOWED:
            faults.append(f"{name} is of no known type")
        if len(s.get("shortLabel", "")) > 17 or len(s.get("longLabel", "")) > 76:
            faults.append(f"{name} has a label that is too long")
        if is_composite:
            parents = {name: s}  # its tracks follow it
            if s.get("visibility") not in ("full", "pack"):
                faults.append(f"{name} is hidden")
            continue
        parent, _, on = s.get("parent", "").partition(" ")
        if parent not in parents or on not in ("on", "off"):
            faults.append(f"{name} follows no parent")
        elif parents[parent]["type"] != s.get("type"):
            faults.append(f"{name} is of another type than its parent")
        if "bigDataUrl" not in s:
            faults.append(f"{name} has no bigDataUrl")
    return faults


def test_the_rules_see_faults():
    good = track_db_text(composites(browser_tracks(PRODUCTS)), "r")
    assert hub_faults(good) == []
    for old, new, said in [
        ("    bigDataUrl m.hits.bb\n", "", "m_hits has no bigDataUrl"),
        ("track m_hits", "track m_peaks", "names of tracks occur twice"),
        ("track m_hits", "track 1hits", "'1hits' is no name of a track"),
        ("parent motif_hits on", "parent peaks on", "m_hits follows no parent"),
        ("logo on", "logoOn on", "m_tracks_ctcf_attr: logoOn is not allowed"),
        ("shortLabel Motif hits", "shortLabel Hits of the motifs", "motif_hits has a label"),
        ("    type bigBed 6\n", "    type bed 6\n", "m_peaks is of no known type"),
    ]:
        assert old in good
        assert any(said in fault for fault in hub_faults(good.replace(old, new))), said


def test_the_hub():
    tracks = browser_tracks(PRODUCTS)
    (hub,) = stanzas(hub_text("run_1", "a@b.org"))
    assert hub["hub"] == "cisweep_run_1" and hub["email"] == "a@b.org"
    keys = {"hub", "shortLabel", "longLabel", "genomesFile", "email", "descriptionUrl"}
    assert set(hub) == keys and hub["descriptionUrl"] == "description.html"
    (genome,) = stanzas(genomes_text("sacCer3"))
    assert genome == {"genome": "sacCer3", "trackDb": "trackDb.txt"}
    found = stanzas(track_db_text(composites(tracks), "run_1"))
    groups = [s["track"] for s in found if "compositeTrack" in s]
    assert groups == ["prediction", "attribution", "peaks", "motif_hits", "variants", "edits"]
    leaves = [s for s in found if "parent" in s]
    assert [s["bigDataUrl"] for s in leaves] == SHOWN
    assert [s["bigDataUrl"] for s in leaves if s.get("logo") == "on"] == LETTERS
    assert [s["shortLabel"] for s in leaves] == [
        "ctcf prediction", "starts plus predi", "ctcf attribution", "m peaks", "m motif hits",
        "m variants", "design edits",
    ]  # fmt: skip
    assert track_db_text([], "r") == ""


def test_names_of_a_hub_are_those_that_ucsc_takes():
    """Letters, digits and _, a letter first, and none twice."""
    models = ("1", "a-b", "a_b", "a.b", "prediction", "x" * 90)
    products = [f"{m}/{p}" for m in models for p in ("tracks/t.pred.bw", "tracks/t.attr.bw")]
    products += [f"many/tracks/t{i}.pred.bw" for i in range(20)] + ["c/tracks/gc.bedgraph"]
    text = track_db_text(composites(browser_tracks(products)), "r" * 99)
    assert hub_faults(text) == []
    found = stanzas(text)
    assert sum("parent" in s for s in found) == len(products) - 1
    assert sum(s.get("parent") == "prediction on" for s in found) == MAX_SHOWN
    (hub,) = stanzas(hub_text("r" * 99, "a@b.org"))
    assert len(hub["shortLabel"]) == 17 and len(hub["longLabel"]) == 76


def test_pages_say_what_the_tracks_are_and_their_unit():
    found = composites(browser_tracks([*PRODUCTS, "<b>/tracks/ctcf.pred.bw"]))
    page = composite_page(found[0], "r", "a@b.org", lambda track: f"unit of {track.name}")
    assert page.count("<td>unit of ctcf</td>") == 2 and "<b>" not in page
    assert "The model's prediction for the window around each base" in page
    assert "<td>m.peaks.bb</td>" in composite_page(found[2], "r", "a@b.org", lambda track: 1 / 0)
    whole = hub_page("r", "a@b.org", found)
    assert "<td>Prediction</td><td>3</td>" in whole and "mailto" not in whole
    assert all(section in page for section in ("Description", "Display Conv", "Credits"))


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
    products = [f"results/r/m/predictions.{end}" for end in ("h5", "parquet", "tsv")]
    products.append("results/r/report.html")
    assert plan.products() == products
    hub = {"hub": {"assembly": "hg38", "email": "a@b.org"}}
    with pytest.raises(ConfigError) as error:
        Plan.from_config(data | {"steps": {"predict": {}, "report": hub}}, root)
    assert "steps.report.hub: needs a genome" in str(error.value)
    (tmp_path / "g.gtf").write_text("")
    genes = {"genes": str(tmp_path / "g.gtf")}
    with pytest.raises(ConfigError, match="steps.report.genes: needs a genome: genes have"):
        Plan.from_config(data | {"steps": {"predict": {}, "report": genes}}, root)
    genome = {"fasta": str(root / "workflow/resources/genome/chr20_0_1Mb.fa.gz")}
    data |= {"sequences": None, "genome": genome, "regions": {"tile": {"stride_bp": 100}}}
    tracks = [f"results/r/m/tracks/{t}.pred.bw" for t in ("ctcf", "pu1")]
    assert set(Plan.from_config(data, root).products()) == {
        *products, *tracks, "results/r/browser/igv.xml", "results/r/browser/igv.json",
    }  # fmt: skip
