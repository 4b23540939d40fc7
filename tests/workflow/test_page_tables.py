"""Tables and plots of the page in Chromium: sort, filter, take home, ask a point."""

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from cisweep.report.blocks import Cell, Column, Figure, Section, Table
from cisweep.report.page import Chapter, Page, Part, render
from cisweep.report.points import Panel, Point, points_plot
from cisweep.report.view import matrix_logo

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NUMBERS = [3.0, -1.5, 4e-6, float("nan"), 1200.0]
TEXTS = ["3", "−1.50", "4 × 10⁻⁶", "–", "1,200"]
NAMES = ["CTCF", "SPIB", "spi1", "<b>", "GATA1"]


@pytest.fixture(scope="module")
def page(has_chromium, tmp_path_factory):
    """A page with a table and a plot, and what went wrong on it."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    columns = [Column("family"), Column("logo"), Column("effect", True), Column("told", True)]
    logo = matrix_logo(np.eye(4)[:, :2], "logo")
    rows = [[n, logo, Cell(t, v), t] for n, t, v in zip(NAMES, TEXTS, NUMBERS)]
    table = Table("Families", columns, rows, file="m.motifs.tsv")
    points = [Point(i, i, f"point {i}", f"chr1:{i + 1}-{i + 9}") for i in range(3)]
    plot = Figure(points_plot([Panel("t", "x", "y", points)]), "a plot")
    part = Part("model-m:hits", "Hits", Section([table, plot]), [])
    times = Table("none", [Column("rule")], [])
    origin = {"cisweep_version": "0", "settings": "", "seed": 0, "models": {}, "packages": {}}
    render(Page("r", {}, [Chapter("model-m", "Model m", [part])], times, origin, []), path)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=has_chromium, args=["--no-sandbox"])
        context = browser.new_context(offline=True, accept_downloads=True)
        yield context.new_page(), path
        browser.close()


@pytest.fixture
def opened(page):
    """The page as it opens."""
    found, path = page
    faults = []
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.goto(path.as_uri())
    yield found
    assert faults == []


def names(page) -> list[str]:
    return page.locator("table[data-file] tbody tr:visible td:first-child").all_text_contents()


@pytest.mark.parametrize("head", ["effect", "told"])
def test_numbers_sort_by_value_with_the_missing_last(opened, head):
    button = opened.get_by_role("button", name=head)
    button.press("Enter")
    assert names(opened) == ["GATA1", "CTCF", "spi1", "SPIB", "<b>"]
    assert opened.locator("th[aria-sort=descending]").text_content() == head
    button.click()
    assert names(opened) == ["SPIB", "spi1", "CTCF", "GATA1", "<b>"]


def test_names_sort_and_fields_filter(opened):
    opened.get_by_role("button", name="family").click()
    assert names(opened) == ["<b>", "CTCF", "GATA1", "spi1", "SPIB"]
    opened.get_by_label("Filter family").fill("sp")
    assert names(opened) == ["spi1", "SPIB"]
    assert "2 of 5 rows" in opened.text_content(".table-bar")
    opened.get_by_label("Filter family").fill("")
    for wanted, left in (
        ("3", {"CTCF", "GATA1"}),
        ("<3", {"SPIB", "spi1"}),
        ("<= 3", {"CTCF", "SPIB", "spi1"}),
    ):
        opened.get_by_label("Filter effect").fill(wanted)
        assert set(names(opened)) == left
    assert opened.get_by_label("Filter logo").count() == 0


def test_the_rows_that_are_left_can_be_taken_home(opened, tmp_path):
    opened.get_by_role("button", name="effect").click()
    opened.get_by_label("Filter family").fill("sp")
    with opened.expect_download() as download:
        opened.get_by_role("button", name="Download as TSV").click()
    assert download.value.suggested_filename == "m.motifs.tsv"
    download.value.save_as(tmp_path / "x.tsv")
    assert (tmp_path / "x.tsv").read_text().splitlines() == [
        "family\teffect\ttold", "spi1\t0.000004\t4 × 10⁻⁶", "SPIB\t-1.5\t-1.50",
    ]  # fmt: skip


def test_points_tell_their_values_by_keyboard_and_pointer_and_lead_to_places(opened):
    first = opened.locator("svg.points .point").first
    first.focus()
    assert opened.text_content(".told") == "point 0"
    opened.keyboard.press("ArrowRight")
    assert opened.text_content(".told") == "point 1"
    opened.keyboard.press("Enter")
    assert opened.evaluate("location.hash") == "#chr1:2-10"
    opened.locator("svg.points .point").nth(2).hover()
    assert opened.text_content(".told") == "point 2"


def test_heads_are_printed_and_what_can_only_be_pressed_is_not(opened):
    opened.emulate_media(media="print")
    heads = opened.locator("table[data-file] thead th")
    shown = heads.filter(visible=True).locator("button").filter(visible=True)
    assert shown.all_text_contents() == ["family", "logo", "effect", "told"]
    assert opened.locator(".table-bar button").filter(visible=True).count() == 0
    opened.emulate_media(media="screen")
