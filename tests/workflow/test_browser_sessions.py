"""igv.js in Chromium opens what a run leaves for genome browsers, from a server on this machine.

The run is made by hand: a genome of two chromosomes in bgzip, tracks, rows (of seqlets none) and
variants, at places and of values that are known.
"""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyBigWig
import pysam
import pytest
from playwright.sync_api import sync_playwright

from cisweep.outputs.bigbed import write_bigbed
from cisweep.outputs.browser import browser_tracks, igv_js_reference, igv_js_session
from cisweep.outputs.hub import composites, genomes_text, hub_text, track_db_text
from cisweep.report.explorer import missing_libraries

pytestmark = [pytest.mark.slow, pytest.mark.browser]

LENGTHS = {"chrB": 4000, "chrA": 120_000}
"""In the order of the genome. More than a block of bgzip (64 kB), else igv.js reads no bases."""
SITE = 1000, 1019
"""Where the attributions of chrA are not 0."""
PRODUCTS = [
    "m/tracks/ctcf.pred.bw", "m/tracks/ctcf.attr.bw", "m/peaks.bed", "m/seqlets.bed", "m/hits.bed",
    "m/variants.vcf.gz",
]  # fmt: skip
ROWS = {
    "peaks": [("chrB", 100, 300, "ctcf", 0, "."), ("chrA", 900, 1100, "ctcf", 1000, ".")],
    "seqlets": [],
    "hits": [("chrA", *SITE, "ctcf:CTCF", 1000, "+"), ("chrA", 1013, 1030, "ctcf:SPIB", 90, "-")],
}
PAGE = """<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><div id="igv"></div>
<script src="igv.min.js"></script><script>
igv.createBrowser(document.getElementById("igv"), {sessionURL: "igv.json", loadDefaultGenomes: false})
  .then((browser) => { window.browser = browser; document.body.dataset.ready = "true"; })
  .catch((error) => { console.error(error); document.body.dataset.ready = "false"; });
</script>"""  # noqa: E501


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder that is served: genome.fa.gz and results/run/."""
    folder = tmp_path_factory.mktemp("served")
    draw = np.random.default_rng(3)
    text = {chrom: "".join(draw.choice(list("ACGT"), n)) for chrom, n in LENGTHS.items()}
    (folder / "plain.fa").write_text("".join(f">{c}\n{s}\n" for c, s in text.items()))
    pysam.tabix_compress(str(folder / "plain.fa"), str(folder / "the genome.fa.gz"))
    pysam.faidx(str(folder / "the genome.fa.gz"))
    run = folder / "results" / "run"
    (run / "m" / "tracks").mkdir(parents=True)
    (run / "browser").mkdir()
    for name in ("pred", "attr"):
        with pyBigWig.open(str(run / f"m/tracks/ctcf.{name}.bw"), "w") as file:
            file.addHeader(list(LENGTHS.items()))
            values = draw.uniform(0.5, 1, SITE[1] - SITE[0])
            file.addEntries("chrA", SITE[0], values=values.tolist(), span=1, step=1)
    tracks = browser_tracks(PRODUCTS)
    for track in (t for t in tracks if t.is_rows):
        rows = ROWS[Path(track.path).stem]
        bed = run / track.path
        bed.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
        write_bigbed(run / "browser" / track.bigbed, bed, LENGTHS, track.kind.about)
    vcf = "##fileformat=VCFv4.2\n" + "".join(f"##contig=<ID={c}>\n" for c in LENGTHS)
    vcf += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (folder / "v.vcf").write_text(f"{vcf}chrA\t1011\t.\tA\tC\t.\t.\t.\n")
    pysam.tabix_compress(str(folder / "v.vcf"), str(run / "m/variants.vcf.gz"))
    pysam.tabix_index(str(run / "m/variants.vcf.gz"), preset="vcf")
    source = [f"../../../the genome.fa.gz{end}" for end in ("", ".fai", ".gzi")]
    session = igv_js_session(tracks, igv_js_reference("run", source), "chrA:991-1030")
    written = {
        "igv.json": session,
        "hub.txt": hub_text("run", "a@b.org"),
        "genomes.txt": genomes_text("hg38"),
        "trackDb.txt": track_db_text(composites(tracks), "run"),
        "page.html": PAGE,
        "igv.min.js": (files("cisweep.report") / "vendor" / "igv.min.js").read_text(),
    }
    for name, content in written.items():
        (run / "browser" / name).write_text(content)
    return folder


class Ranges(SimpleHTTPRequestHandler):
    """Files, and parts of them as genome browsers ask for them."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = self.headers.get("Range", "")
        path = Path(self.translate_path(self.path))
        if not asked or not path.is_file():
            super().do_GET()
            return
        low, high = asked.removeprefix("bytes=").split("-")
        data = path.read_bytes()
        part = data[int(low) : int(high) + 1 if high else None]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {low}-{int(low) + len(part) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(part)


@pytest.fixture(scope="module")
def shown(run, has_chromium):
    """The page with the session, and what went wrong on it; requests beyond this machine do."""
    assert missing_libraries() == [], "make web"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(run)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}/"
    faults: list[str] = []

    def check(message):
        if message.type in ("error", "warning"):
            faults.append(message.text)

    def look(request):
        if not request.url.startswith((here, "data:", "blob:")):
            faults.append(request.url)

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=has_chromium, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1200, "height": 900})
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", check)
        page.on("request", look)
        page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.status} {r.url}"))
        page.goto(f"{here}results/run/browser/page.html")
        page.wait_for_selector("body[data-ready]", timeout=120_000)
        page.wait_for_timeout(1000)
        yield page, faults
        chromium.close()
    server.shutdown()


FEATURES = """async (name) => {
  const { track } = browser.trackViews.find((view) => view.track.name === name);
  const found = await track.getFeatures("chrA", 900, 1100, 1);
  return found.map((f) => [f.start, f.end, f.value ?? f.name ?? f.alternateBases]);
}"""


def test_the_session_opens_without_a_fault(shown):
    page, faults = shown
    assert page.get_attribute("body", "data-ready") == "true", faults
    assert faults == []
    names = page.evaluate("browser.trackViews.map((view) => view.track.name)")
    wanted = ["prediction", "attribution", "peaks", "seqlets", "motif hits", "variants"]
    labels = [f"m ctcf {kind}" for kind in wanted[:2]] + [f"m {kind}" for kind in wanted[2:]]
    assert [name for name in names if name in labels] == labels
    assert page.evaluate("browser.currentLoci()") == "chrA:991-1030"


def test_every_track_holds_what_was_written(shown, run):
    page, faults = shown
    assert page.evaluate(FEATURES, "m peaks") == [[900, 1100, "ctcf"]]
    assert page.evaluate(FEATURES, "m seqlets") == []
    hits = [list(row[1:4]) for row in ROWS["hits"]]
    assert page.evaluate(FEATURES, "m motif hits") == hits
    assert page.evaluate(FEATURES, "m variants") == [[1010, 1011, "C"]]
    with pyBigWig.open(str(run / "results/run/m/tracks/ctcf.attr.bw")) as file:
        expected = file.values("chrA", *SITE)
    found = page.evaluate(FEATURES, "m ctcf attribution")
    assert [row[:2] for row in found] == [[i, i + 1] for i in range(*SITE)]
    assert [row[2] for row in found] == pytest.approx(expected)
    bases = page.evaluate('browser.genome.getSequence("chrA", 1000, 1019)')
    assert bases == pysam.FastaFile(str(run / "the genome.fa.gz")).fetch("chrA", *SITE)
    assert faults == []


COLORED = """([name, color]) => {
  const { viewports } = browser.trackViews.find((view) => view.track.name === name);
  const { canvas } = viewports[0];
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, width, height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] === 255 && [data[i], data[i + 1], data[i + 2]].join() === color) n++;
  return n;
}"""
"""How many pixels of a track have a colour."""
BASES = {"A": "0,200,0", "C": "0,0,200", "G": "209,113,5", "T": "255,0,0"}
"""The colours of the letters of igv.js."""


def test_attributions_are_letters_and_predictions_are_bars(shown, run):
    page, _ = shown
    there = pysam.FastaFile(str(run / "the genome.fa.gz")).fetch("chrA", *SITE)
    for base, color in BASES.items():
        n = page.evaluate(COLORED, ["m ctcf attribution", color])
        assert n > 20 * there.count(base) > 0, base
        assert page.evaluate(COLORED, ["m ctcf prediction", color]) == 0
    assert page.evaluate(COLORED, ["m ctcf attribution", "44,122,75"]) == 0
    assert page.evaluate(COLORED, ["m ctcf prediction", "37,99,168"]) > 1000


def test_igv_js_reads_the_hub_by_rules_of_its_own(shown):
    page, faults = shown
    groups = page.evaluate(
        """async () => {
          const hub = await igv.loadHub(new URL("hub.txt", location).href);
          return await hub.getGroupedTrackConfigurations("hg38");
        }"""
    )
    kinds = ["prediction", "attribution", "peaks", "seqlets", "motif_hits", "variants"]
    assert [group["name"] for group in groups] == kinds
    found = [track for group in groups for track in group["tracks"]]
    formats = ["bigWig", "bigWig", "bigBed", "bigBed", "bigBed", "vcf"]
    assert [track["format"] for track in found] == formats
    assert page.evaluate(
        """(urls) => Promise.all(urls.map(async (url) => (await fetch(url)).status))""",
        [track["url"] for track in found],
    ) == [200] * len(found)
    assert [track["color"] for track in found[:2]] == ["rgb(37,99,168)", "rgb(44,122,75)"]
    assert faults == []
