"""The page: numbers as a reader wants them, sections from products, and that all may read it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cisweep.contracts import Windows
from cisweep.outputs.predictions import PredictionWriter
from cisweep.outputs.tables import write_tsv
from cisweep.plan.plan import Plan
from cisweep.report.blocks import MAX_EMBEDDED, embedded, number, place, plural, signed
from cisweep.report.figures import WIDTH, Span, edit_map, histogram, interval, round_ticks, spans
from cisweep.report.page import read_page, render, run_times
from cisweep.report.sections.attribute import strongest_stretch
from cisweep.report.sections.train import wide_metrics
from cisweep.report.view import largest
from cisweep.steps import all_steps

MOTIF = "MA0139.2"


@pytest.mark.parametrize(
    ("value", "want"),
    [(0, "0"), (3, "3"), (3.14159, "3.14"), (-0.5, "−0.500"), (1234.5, "1,234"), (12.345, "12.3"),
     (1.5e-7, "1.50 × 10⁻⁷"), (2.5e9, "2.50 × 10⁹"), (float("nan"), "–"), (float("inf"), "∞"),
     (-1e-5, "−1.00 × 10⁻⁵"), (0.0123, "0.0123"), (99.96, "100")],
)  # fmt: skip
def test_numbers_read_well(value, want):
    assert number(value) == want


def test_signs_places_and_nouns():
    assert (signed(2.0), signed(-2.5), signed(0)) == ("+2", "−2.50", "0")
    assert signed(float("nan")) == "–"
    assert place("chr1", 1000, 2000) == "chr1:1,001-2,000"
    assert place("chr1", 0, 5, "-") == "chr1:1-5 −"
    assert (plural(1, "design"), plural(1200, "design")) == ("1 design", "1,200 designs")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-12.2, 9.9), (3, 3.0001), (0, 1e6), (-1e-5, 0)])
def test_ticks_are_round_few_and_inside(low, high):
    ticks = round_ticks(low, high)
    assert 3 <= len(ticks) <= 12
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in ticks)
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    assert re.fullmatch(r"[125]0*(e[+-]\d+)?|0\.0*[125]|[125](\.0)?e-\d+", f"{steps[0]:.6g}")
    assert round_ticks(2, 2) == [2]


def test_drawings_stay_inside_and_name_themselves():
    assert 'aria-label="a &lt; b"' in histogram(np.arange(9.0), unit="logit", label="a < b")
    assert histogram(np.array([np.nan]), unit="", label="") == "<p>no values</p>"
    circles = [
        float(x)
        for v in (-9, 0, 3, 99)
        for x in re.findall(r'cx="([\d.]+)"', interval(v, v - 1, v + 1, (-5, 5)))
    ]
    assert circles == sorted(circles) and circles[0] == 4 and circles[-1] == 216
    drawn = edit_map([("one", [(0, "A", "C"), (1, "G", "T")])], 10, label="edits")
    assert "A1C" in drawn and "G2T" in drawn and 'class="base-T"' in drawn


def test_labels_end_at_the_right_edge():
    drawn = spans([Span(98, 104, "A::LONG", "hit", ""), Span(2, 9, "B", "hit", "")], 100, label="x")
    boxes = dict(zip("AB", re.findall(r'rect x="([\d.]+)" y="(\d+)"', drawn)[::-1]))
    texts = re.findall(r'text x="([\d.]+)"[^>]*>([^<]+)', drawn)
    place = {label[0]: float(x) for x, label in texts}
    assert place["A"] + 6.6 * len("A::LONG") < WIDTH and float(boxes["A"][0]) == 0.98 * WIDTH
    assert place["B"] == pytest.approx(0.02 * WIDTH + 3)
    near = [Span(90, 95, "TEN LETTER", "hit", ""), Span(98, 100, "TEN LETTER", "hit", "")]
    assert len(set(re.findall(r'rect x="[\d.]+" y="(\d+)"', spans(near, 100, label="x")))) == 2


def test_the_strongest_stretch_has_its_signal_in_the_middle():
    values = np.full(300, 1e-4)
    values[120:140] = -1.0
    assert strongest_stretch(values, 100) == (80, 180)
    values[200:210] = 1.0  # a second signal that fits in is not given up for the middle
    low, high = strongest_stretch(values, 100)
    assert low <= 120 and high >= 210
    values[0] = 90.0
    assert strongest_stretch(values, 100) == (0, 100)
    assert strongest_stretch(values[:80], 100) == (0, 80)


def test_a_figure_too_large_for_the_page_is_linked(tmp_path):
    small, large = tmp_path / "a.svg", tmp_path / "b.png"
    small.write_text("<svg/>")
    large.write_bytes(b"0" * (MAX_EMBEDDED + 1))
    assert embedded(small, 'an "alt"', "a.svg").startswith('<img src="data:image/svg+xml;base64,')
    assert 'alt="an &quot;alt&quot;"' in embedded(small, 'an "alt"', "a.svg")
    assert '<a href="m/b.png">' in embedded(large, "big", "m/b.png")


def test_the_largest_rows_of_a_table_read_in_blocks(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"target": ["a", "b"] * 500, "delta": generator.normal(size=1000)})
    table.loc[7, "delta"] = np.nan
    table.to_parquet(tmp_path / "t.parquet", row_group_size=64)
    found, n = largest(tmp_path / "t.parquet", "delta", 3)
    assert n == 1000
    for target in "ab":
        mine = table[table["target"] == target]["delta"].dropna()
        want = sorted(mine, key=abs, reverse=True)[:3]
        assert found[found["target"] == target]["delta"].tolist() == want


def test_metrics():
    tidy = pd.DataFrame(
        [
            {"fold": 0, "task": "t", "scorer": s, "metric": m, "value": v, "n": 9}
            for s, m, v in (("model", "auroc", 0.9), ("gc", "auroc", 0.6), ("model", "auprc", 0.5))
        ]
    )
    wide = wide_metrics(tidy)
    assert wide["scorer"].tolist() == ["model", "gc"] and wide["n"].tolist() == [9, 9]
    assert wide.loc[0, "auprc"] == 0.5 and np.isnan(wide.loc[1, "auprc"])


# ---- a whole page, from products made here -------------------------------------------------


def config(steps: dict) -> dict:
    workflow = str(Path(__file__).resolve().parents[2] / "workflow")
    return {
        "run": "small",
        "genome": {"fasta": f"{workflow}/resources/genome/chr20_0_1Mb.fa.gz"},
        "regions": {"tile": {"stride_bp": 1000}},
        "models": {"m": f"{workflow}/resources/models/ctcf_pu1.yaml"},
        "motifs": f"{workflow}/resources/motifs/JASPAR2026_CORE_vertebrates_nr.meme",
        "steps": steps | {"report": {}},
    }


def effect_rows(**more) -> pd.DataFrame:
    rows = [
        {"motif": MOTIF, "name": "CTCF", "target": t, "n": 20, "effect": e, "effect_sd": 1.0,
         "ci_low": e - 0.5, "ci_high": e + 0.5, "rank": 1} | more
        for t, e in (("ctcf", 8.25), ("pu1", -1.5))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def figure(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with predictions and the experiments, its products written by hand."""
    monkeypatch.chdir(tmp_path)
    steps = {"predict": {"tracks": False}, "marginalize": {}, "space": {"pairs": [[MOTIF, MOTIF]]}}
    plan = Plan.from_config(config(steps), Path())
    folder = Path("results/small/m")
    folder.mkdir(parents=True)
    n = 50
    windows = Windows.build(["chr20"] * n, np.arange(n) * 1000, np.arange(n) * 1000 + 200)
    values = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    with PredictionWriter(folder / "predictions.h5", windows, ["ctcf", "pu1"], {}) as writer:
        writer.append(windows, values, 0 * values)
    effect_rows().to_parquet(folder / "marginalize.parquet")
    space = effect_rows(
        motif_a=MOTIF, name_a="CTCF", motif_b=MOTIF, name_b="CTCF", orientation="+-",
        distance_bp=10, interaction=0.75, interaction_ci_low=0.5, interaction_ci_high=1.0,
    )  # fmt: skip
    space.to_parquet(folder / "space.parquet")
    figure(folder / "figures/space.svg")
    write_tsv(pd.DataFrame({"s": [2.0], "max_rss": [100.0]}), folder / "b.tsv")
    benchmarks = Path("results/small/benchmarks/predict_chunk/m")
    benchmarks.mkdir(parents=True)
    (folder / "b.tsv").rename(benchmarks / "c000000.tsv")
    return plan


PROVENANCE = {
    "cisweep_version": "0", "settings": "x", "seed": 0, "models": {"m": {"model_sha256": "f"}},
    "packages": {"torch": "2"},
}  # fmt: skip


class Reader(HTMLParser):
    """Collects what a screen reader, a keyboard and a browser without internet need."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.faults, self.headings = set(), [], [], []
        self.nameless = {}

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img" and not given.get("alt"):
            self.faults.append("img without alt")
        if tag == "th" and "scope" not in given:
            self.faults.append("th without scope")
        if self.nameless and tag != "title":
            self.faults.append(f"svg without a name: {self.nameless}")
        self.nameless = {}
        if tag == "svg" and given.get("role") == "img" and "aria-label" not in given:
            self.nameless = given  # its first child must be its title
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag in ("link", "iframe"):
            self.faults.append(tag)
        for name in ("src", "href"):
            if str(given.get(name, "")).startswith(("http", "//")):
                self.faults.append(given[name])


def test_the_page_of_a_run(run):
    dropped = pd.DataFrame({"step": ["predict"], "model": ["m"], "reason": ["too_many_n"]})
    page = read_page(run, dropped, PROVENANCE)
    render(page, Path("results/small/report.html"))
    html = Path("results/small/report.html").read_text()
    reader = Reader()
    reader.feed(html)
    assert not reader.faults
    assert all(b - a <= 1 for a, b in zip(reader.headings, reader.headings[1:]))
    for link in reader.links:
        if link.startswith("#"):
            assert link[1:] in reader.ids, link
    assert [c.title for c in page.chapters] == ["Model m"]
    titles = [p.title for p in page.chapters[0].parts]
    assert titles == ["Marginal effects of motifs", "Spacing of motifs", "Predictions"]
    assert page.methods[0].startswith("The model's outputs")  # in the order of the run
    assert any("CTCF raises ctcf most: +8.25 logit" in line for _, line in page.headlines)
    assert not any("raises pu1" in line for _, line in page.headlines)  # its effect is -1.5
    for words in ("+0.750", "too many N: 1", "+8.25", "predict_chunk", "+7.75 to +8.75", "50"):
        assert words in html, words


def test_the_page_says_when_the_libraries_of_the_explorer_are_missing(run, monkeypatch):
    from cisweep.report import explorer

    none = pd.DataFrame({"step": [], "model": [], "reason": []})
    monkeypatch.setattr(explorer, "_VENDOR", Path("nowhere"))
    render(read_page(run, none, PROVENANCE), Path("page.html"))
    html = Path("page.html").read_text()
    assert "no explorer of tracks" in html and "make web" in html and 'id="explorer"' not in html


def test_a_step_without_a_section_shows_its_figures(run, monkeypatch):
    from cisweep.report import sections

    monkeypatch.setattr(sections, "_NAMES", sections._NAMES - {"space"})
    sections._maker.cache_clear()
    page = read_page(run, pd.DataFrame({"step": [], "model": [], "reason": []}), PROVENANCE)
    sections._maker.cache_clear()
    part = next(p for p in page.chapters[0].parts if p.title == "Spacing of motifs")
    assert [b.kind for b in part.section.blocks] == ["figure"]
    assert part.files == ["m/space.parquet"]


def test_each_section_belongs_to_a_step():
    from cisweep.report.sections import _NAMES

    assert set(all_steps()) >= _NAMES


def test_the_strongest_substitutions(run, monkeypatch):
    from types import SimpleNamespace

    from cisweep.outputs.mutagenesis import write_chunk
    from cisweep.report.sections.ism import strongest
    from cisweep.report.view import Motifs, View

    rng = np.random.default_rng(0)
    n, length, span = 90, 30, (5, 25)
    start = np.arange(n) * 10  # regions overlap, so that bases lie in several
    windows = Windows.build(["chr20"] * n, start, start + length)
    genome = rng.integers(0, 4, 10 * n + length).astype(np.uint8)
    tokens = np.stack([genome[s : s + length] for s in start])
    effects = rng.normal(size=(1, n, 4, span[1] - span[0])).astype(np.float32)
    zeros = np.zeros((1, n, span[1] - span[0]))
    found = SimpleNamespace(
        effects=effects, hypothetical=effects, projected=zeros, sd=zeros, original=zeros[:, :, 0]
    )
    attrs = {"span_start": span[0], "span_end": span[1]}
    path, blocks = Path("results/small/m/ism.h5"), [(windows, tokens, found)]
    write_chunk(path, blocks, length, span, ["ctcf"], attrs)
    largest_of: dict[str, float] = {}
    for i, base, at in np.ndindex(effects.shape[1:]):
        place = int(start[i]) + span[0] + at
        name = f"chr20:{place + 1:,} {'ACGT'[genome[place]]}>{'ACGT'[base]}"
        value = float(effects[0, i, base, at])
        if abs(value) > abs(largest_of.get(name, 0)):
            largest_of[name] = value
    want = sorted(largest_of.items(), key=lambda item: -abs(item[1]))[:7]
    view = View(run, all_steps()["ism"], "m", Motifs(None))
    assert [(s.name, s.effect) for s in strongest(view, "ctcf", 7)] == want


def test_times_of_jobs_leave_out_a_benchmark_that_a_kill_cut_off(tmp_path):
    folder = tmp_path / "benchmarks" / "predict_chunk"
    folder.mkdir(parents=True)
    header = "s\th:m:s\tmax_rss\n"
    (folder / "a.tsv").write_text(f"{header}2.5\t0:00:02\t300\n")
    (folder / "b.tsv").write_text("")
    (folder / "c.tsv").write_text(header)
    (folder / "d.tsv").write_text("s\n")
    (folder / "e.tsv").write_bytes(header.encode() + b"\xff\t0\t1\n")
    (folder / "f.tsv").write_text(f"{header}2x5\t0:00:02\t300\n")
    assert run_times(tmp_path) == [("predict_chunk", 1, 2.5, 300.0)]
