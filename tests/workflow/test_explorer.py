"""The explorer of the demo's page in Chromium, without network: what a reader does with it."""

import contextlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
from support import demo_config

from cisweep.outputs.tables import read_tsv
from cisweep.parts import read_json
from cisweep.plan.plan import Plan
from cisweep.report.explorer import _packed, missing_libraries
from cisweep.report.page import read_page, render

pytestmark = [pytest.mark.slow, pytest.mark.browser]

READY = "#explorer[data-ready]"


@pytest.fixture(scope="module")
def chromium(has_chromium):
    assert missing_libraries() == [], "make web"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=has_chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


class Reader:
    """A page that is open, and what went wrong on it: errors, requests to a network."""

    def __init__(self, chromium, page: Path, locus: str = "", width: int = 1400):
        self.faults: list[str] = []
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, offline=True, accept_downloads=True
        )
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", self._request)
        self.page.goto(page.as_uri() + (f"#{locus}" if locus else ""))
        self.page.wait_for_selector(READY, timeout=120_000)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _request(self, request):
        if not request.url.startswith(("data:", "file:", "blob:")):
            self.faults.append(request.url)

    @property
    def locus(self) -> str:
        """What igv.js shows."""
        return self.page.input_value(".explorer-tracks input[type=text]").replace(",", "")

    @property
    def regions(self) -> list[str]:
        """The places of the rows that are drawn, in order."""
        return self.page.locator('.tabulator-cell[tabulator-field="locus"]').all_text_contents()

    def values(self, target: str) -> list[float]:
        """The predictions of a target in the rows that are drawn."""
        cells = self.page.locator(f'.tabulator-cell[tabulator-field="prediction: {target}"]')
        return [float(text.replace("−", "-")) for text in cells.all_text_contents()]

    def column(self, field: str):
        return self.page.locator(f'.tabulator-col[tabulator-field="{field}"]')

    def filter(self, field: str, text: str) -> None:
        """Type into the field under the head of a column."""
        box = self.column(field).locator("input")
        box.fill(text)
        box.press("End")  # Tabulator listens to keys
        self.page.wait_for_timeout(800)


@pytest.fixture
def reader(chromium, demo):
    reader = Reader(chromium, demo / "report.html")
    yield reader
    assert reader.faults == []


def _letters(page) -> int:
    """Return how many pixels of the tracks have the colour of a G."""
    script = """() => {
      let n = 0;
      const { shadowRoot } = document.querySelector('.explorer-tracks');
      for (const canvas of shadowRoot.querySelectorAll('canvas')) {
        if (canvas.height < 60 || !canvas.width) continue;  // not the row of the sequence
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4)
          if (data[i] === 209 && data[i + 1] === 113 && data[i + 2] === 5) n++;
      }
      return n;
    }"""
    return page.evaluate(script)


def test_it_opens_at_the_strongest_peak_of_all_regions(reader, demo):
    peaks = read_tsv(demo / "ctcf_pu1" / "peaks.tsv")
    first = peaks.loc[peaks["prediction"].idxmax()]
    assert reader.locus == f"{first.chrom}:{first.start + 1}-{first.end}"
    places = set(zip(peaks["chrom"], peaks["start"], peaks["end"]))
    expected = {f"{c}:{s + 1:,}-{e:,}" for c, s, e in places}
    assert set(reader.regions) == expected and len(reader.regions) == len(expected)
    assert f"{len(expected)} of {len(expected)} regions" in reader.page.text_content("body")


def test_a_row_that_is_clicked_or_entered_is_shown_and_in_the_address(reader):
    second = reader.regions[1]
    reader.page.locator(".tabulator-row").nth(1).click()
    reader.page.wait_for_function(f"location.hash === '#{second}'")
    reader.page.wait_for_timeout(500)
    assert reader.locus == second.replace(",", "")
    # The same by keyboard, one row down.
    reader.page.locator(".tabulator-row").nth(1).press("ArrowDown")
    reader.page.keyboard.press("Enter")
    third = reader.regions[2]
    reader.page.wait_for_function(f"location.hash === '#{third}'")


def test_columns_sort_and_filter(reader):
    head = reader.column("prediction: ctcf")
    head.locator(".tabulator-col-title").click()
    values = reader.values("ctcf")
    assert values == sorted(values, reverse=True) and len(set(values)) > 1
    reader.filter("prediction: ctcf", str(np.median(values)))
    kept = reader.values("ctcf")
    assert kept == [v for v in values if v >= np.median(values)] and len(kept) < len(values)
    reader.filter("prediction: ctcf", "")
    wanted = reader.regions[-1]
    # A place finds what touches it; its last base does.
    chrom, _, end = re.split("[:-]", wanted.replace(",", ""))
    reader.filter("locus", f"{chrom}:{end}")
    assert wanted in reader.regions and len(reader.regions) <= 2


def test_a_filter_of_motifs_keeps_regions_with_that_motif(reader):
    cells = reader.page.locator('.tabulator-cell[tabulator-field="motifs"]')
    everything = cells.all_text_contents()
    motif = everything[0].split(", ")[0]
    reader.filter("motifs", motif)
    assert cells.all_text_contents() == [text for text in everything if motif in text]


def test_the_table_can_be_downloaded(reader, tmp_path):
    with reader.page.expect_download() as download:
        reader.page.locator(".explorer-download").click()
    assert download.value.suggested_filename == "demo.regions.tsv"
    download.value.save_as(tmp_path / "regions.tsv")
    table = pd.read_csv(tmp_path / "regions.tsv", sep="\t")
    assert len(table) == len(reader.regions)
    assert table["region"].iloc[0] == reader.regions[0].replace(",", "")


def test_an_address_with_a_place_opens_there_at_the_letters(chromium, demo):
    peaks = read_tsv(demo / "ctcf_pu1" / "peaks.tsv")
    first = peaks.loc[peaks["prediction"].idxmax()]
    middle = (first.start + first.end) // 2
    reader = Reader(
        chromium, demo / "report.html", f"{first.chrom}:{middle - 30:,}-{middle + 30:,}"
    )
    assert reader.locus == f"{first.chrom}:{middle - 30}-{middle + 30}"
    assert _letters(reader.page) > 100
    # And another one without loading the page again.
    reader.page.evaluate(f"location.hash = '#{first.chrom}:{first.start + 1}-{first.start + 40}'")
    reader.page.wait_for_timeout(1500)
    assert reader.locus == f"{first.chrom}:{first.start + 1}-{first.start + 40}"
    assert reader.faults == []


def test_a_run_that_is_too_large_shows_its_strongest_regions(chromium, demo, root, tmp_path):
    with contextlib.chdir(demo.parent.parent):
        plan = Plan.from_config(demo_config(steps={"report": {"explorer_mb": 0.02}}), root)
        notes = read_tsv(demo / "dropped_regions.tsv"), read_json(demo / "provenance.json")
        render(read_page(plan, *notes), tmp_path / "page.html")
    whole = (demo / "report.html").stat().st_size
    assert (tmp_path / "page.html").stat().st_size < whole - 300_000
    reader = Reader(chromium, tmp_path / "page.html")
    shown = reader.page.locator(".tabulator-row:not(.without-tracks)").count()
    assert 1 <= shown < len(reader.regions)
    assert f"The tracks of the {shown} strongest of" in reader.page.text_content("body")
    assert _letters(reader.page) > 50  # of the first region, in the slices
    reader.page.locator(".tabulator-row.without-tracks").first.click()
    reader.page.wait_for_timeout(800)
    assert "are not in this page" in reader.page.text_content(".explorer-status")
    assert reader.faults == []


def test_places_in_the_text_lead_to_their_tracks(reader):
    links = reader.page.locator("figcaption a, summary a").all()
    places = [link.get_attribute("href") for link in links]
    assert places and all(re.fullmatch(r"#chr20:\d[\d,]*\d-\d[\d,]*\d", p) for p in places)


N_REGIONS = 200_000


@pytest.fixture(scope="module")
def large(demo, tmp_path_factory):
    """The demo's page with many regions in its table, and that table."""
    html = (demo / "report.html").read_text()
    found = re.search(r'(?s)id="explorer-data">(.*?)</script>', html)
    data, rng = json.loads(found[1]), np.random.default_rng(0)
    start = rng.integers(0, 999_800, N_REGIONS)
    table = pd.DataFrame({"chrom": "chr20", "start": start, "end": start + 200, "strand": "."})
    for column in data["columns"][1:]:
        values = rng.choice(["", "CTCF", "SPIB, CTCF", "GATA1"], N_REGIONS)
        if column["kind"] == "number":
            values = rng.normal(size=N_REGIONS).round(3)
            values[::7] = np.nan
        table[column["field"]] = values.astype(object) if column["kind"] == "text" else values
    table["shown"] = True
    data["rows"] = _packed(table)
    page = tmp_path_factory.mktemp("large") / "report.html"
    text = json.dumps(data).replace("<", "\\u003c")
    page.write_text(html[: found.start(1)] + text + html[found.end(1) :])
    return page, table


def test_a_page_of_many_regions_can_be_searched_sorted_filtered_and_linked(chromium, large):
    page, table = large
    reader = Reader(chromium, page, "chr20:500,001-500,100")
    assert reader.locus == "chr20:500001-500100"

    def told() -> int:
        text = reader.page.text_content(".explorer-count")
        assert text.endswith(f"of {N_REGIONS:,} regions")
        return int(text.split()[0].replace(",", ""))

    assert told() == N_REGIONS
    reader.column("prediction: ctcf").locator(".tabulator-col-title").click()
    reader.page.wait_for_function("document.querySelector('[aria-sort=descending]')")
    best = table["prediction: ctcf"].max()
    assert reader.values("ctcf")[0] == pytest.approx(best, rel=5e-3)  # shown with three digits
    reader.column("prediction: ctcf").locator(".tabulator-col-title").click()
    reader.page.wait_for_function("document.querySelector('[aria-sort=ascending]')")
    worst = table["prediction: ctcf"].min()  # missing ones stand last here too
    assert reader.values("ctcf")[0] == pytest.approx(worst, rel=5e-3)
    reader.filter("locus", "chr20:700,001-700,500")
    assert told() == ((table["start"] < 700_500) & (table["end"] > 700_000)).sum() > 0
    reader.filter("locus", "")
    reader.filter("prediction: ctcf", "2")
    assert told() == (table["prediction: ctcf"] >= 2).sum()
    reader.filter("motifs", "SPIB")
    wanted = table[(table["prediction: ctcf"] >= 2) & table["motifs"].str.contains("SPIB")]
    assert told() == len(wanted) > 0
    reader.page.locator(".tabulator-row").first.press("ArrowDown")
    reader.page.keyboard.press("Enter")
    second = wanted.sort_values("prediction: ctcf", kind="stable").iloc[1]
    place = f"#chr20:{second['start'] + 1:,}-{second['end']:,}"
    reader.page.wait_for_function(f"location.hash === '{place}'")
    assert reader.faults == []


def test_the_page_is_no_larger_than_6_mb(demo):
    assert (demo / "report.html").stat().st_size < 6e6  # the bound for the demo


def test_phone_and_print(chromium, demo, tmp_path):
    reader = Reader(chromium, demo / "report.html", width=400)
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 400
    reader.page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
    assert reader.faults == []
