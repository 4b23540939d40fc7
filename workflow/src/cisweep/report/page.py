"""The page results/<run>/report.html: one file, no internet.

Its parts come from the steps that are on, in their order: cisweep.report.sections.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, Template, select_autoescape
from markupsafe import Markup

from cisweep.plan.accounting import n_regions, swept_by
from cisweep.plan.page import summary
from cisweep.plan.plan import Plan
from cisweep.plot.svg import logo_symbols
from cisweep.report.blocks import Block, Check, Column, Section, Table, number, plural
from cisweep.report.doubts import doubt
from cisweep.report.explorer import Explorer, explorer, why_none
from cisweep.report.figures import share_bar
from cisweep.report.sections import hook_of, section_of
from cisweep.report.sections.select import given_selection
from cisweep.report.targets import targets_section
from cisweep.report.view import Motifs, View, counted_reasons
from cisweep.steps.base import About

FEW_HEADLINES = 3
"""Sentences of a step at the top of the page, of a model with many targets."""
MOST_LINES = 10
"""Lines there, where a model has many targets; each step keeps its first one longest."""
FEW_DROPPED = 0.1
"""Share of the regions that may be left out before the summary asks for a look."""


@dataclass(frozen=True)
class Part:
    """A step's section on the page: its anchor, title and files (path relative to the page), and
    what was done, for the methods; order: the step's place in the run; owner: its model, or of the
    run the step; apart: do blocks about one target stand on pages of their own; target: whose page
    it is, None for that of the run."""

    anchor: str
    title: str
    section: Section
    files: list[str]
    methods: str = ""
    order: int = 0
    owner: str = ""
    apart: bool = False
    target: str | None = None

    @property
    def blocks(self) -> list[Block]:
        """What is shown of the section."""
        if self.target is not None:
            return self.section.of_target(self.target)
        return self.section.of_all(self.apart)


@dataclass
class Chapter:
    """The parts of one model, or of the run as a whole, with its table of counts."""

    anchor: str
    title: str
    parts: list[Part] = field(default_factory=list)
    counts: Table | None = None
    checks: list[Check] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """What the page is made of; no_explorer: why it has no explorer, though it is of a genome;
    up: what leads from the page to the folder of the run, "" for the page of the run itself."""

    run: str
    settings: dict[str, str]
    chapters: list[Chapter]
    times: Table
    provenance: dict[str, Any]
    files: list[str]
    explorer: Explorer | None = None
    no_explorer: str = ""
    up: str = ""

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """(anchor, sentence) of what stands before all headlines."""
        return [(p.anchor, line) for p in self._parts for line in p.section.warnings]

    @property
    def headlines(self) -> list[tuple[str, str]]:
        """(anchor, sentence) of all parts, in order; of models with many targets no more than
        leave room for MOST_LINES lines with the warnings."""
        found = [
            (n, p.anchor, line) for p in self._parts for n, line in enumerate(p.section.headlines)
        ]
        if any(p.apart for p in self._parts):
            room = max(MOST_LINES - len(self.warnings), 0)
            # By the number of the line in its step, so that steps lose their last lines first.
            first = sorted(range(len(found)), key=lambda i: found[i][0])[:room]
            found = [found[i] for i in sorted(first)]
        return [(anchor, line) for _, anchor, line in found]

    @property
    def checks(self) -> list[Check]:
        """What was tried of the results, the worst first."""
        found = [c for chapter in self.chapters for c in chapter.checks]
        found += [c for p in self._parts for c in p.section.checks]
        levels = ("bad", "look", "good")
        return sorted(dict.fromkeys(found), key=lambda c: levels.index(c.level))

    @property
    def methods(self) -> list[str]:
        """What was done, a step a sentence or two, in the order of the run."""
        parts = sorted((p for p in self._parts if p.methods), key=lambda p: p.order)
        return list(dict.fromkeys(p.methods for p in parts))

    @property
    def drawings(self) -> dict[str, Callable[[], Any]]:
        """What draws the page's own figures, by the names of their files (figures/<name>.svg)."""
        return {
            f"{part.owner}.{name}": draw
            for part in self._parts
            for name, draw in part.section.drawings.items()
        }

    @property
    def _parts(self) -> list[Part]:
        return [p for chapter in self.chapters for p in chapter.parts]


def read_page(
    plan: Plan, dropped: pd.DataFrame, provenance: dict[str, Any], files: Iterable[str] = ()
) -> Page:
    """Return the page of a run whose products are complete.

    files: further products of the run to link, relative to the page.
    """
    motifs = Motifs.of(plan)
    order = get_args(About)
    steps = [step for step in plan.steps.values() if step.in_report]
    steps.sort(key=lambda step: (order.index(step.about), step.order))
    swept = dropped[dropped["step"].isin(swept_by(plan))]
    chapters = []
    for model in plan.models:
        chapter = Chapter(f"model-{model}", f"Model {model}")
        views = [View(plan, step, model, motifs, dropped) for step in steps]
        chapter.parts = _parts(views, f"model-{model}")
        for part in chapter.parts:
            doubt(part.section, model, plan.models[model], part is chapter.parts[0])
        counts = [
            ("regions", n_regions(plan, model), _source(plan)),
            ("dropped", *counted_reasons(swept[swept["model"] == model])),
            *(
                row
                for part in sorted(chapter.parts, key=lambda p: p.order)
                for row in part.section.counts
            ),
        ]
        chapter.counts = _counts(counts)
        chapter.checks = _checks(plan, model, counts, swept)
        if plan.models[model].has_many_targets and views:
            section = targets_section(views)
            anchor = f"model-{model}:targets"
            first = Part(anchor, "Targets", section, [], owner=model)
            chapter.parts.insert(0, first)
        if chapter.parts:
            chapters.append(chapter)
    # What concerns the whole run is a chapter of its own; a training comes before the models.
    first, last = [], []
    for step in steps:
        for part in _parts([View(plan, step, None, motifs)], "run"):
            (first if step.makes_weights else last).append(Chapter(part.anchor, part.title, [part]))
    return Page(
        plan.config.run,
        summary(plan),
        [*first, *chapters, *last],
        _times(run_times(Path(plan.results))),
        provenance,
        list(files),
        explorer(plan),
        why_none(plan) if plan.is_genome else "",
    )


def _parts(views: list[View], prefix: str) -> list[Part]:
    found = []
    for view in views:
        section = section_of(view)
        if section is not None:
            note = given_selection(view) if view.model else None
            section.blocks[:0] = [note] if note else []
            files = [
                view.href(p) for p in view.products if not p.endswith((".svg", ".png", ".tbi"))
            ]
            apart = view.model is not None and view.model_config.has_many_targets
            if apart and len(section.headlines) > FEW_HEADLINES:
                section.headlines[FEW_HEADLINES:] = []
            anchor = f"{prefix}:{view.step.name}"  # no name holds a colon
            step = view.step
            found.append(
                Part(
                    anchor,
                    step.title,
                    section,
                    files,
                    _methods(view),
                    step.order,
                    view.model or step.name,
                    apart,
                )
            )
    return found


def _methods(view: View) -> str:
    tell = hook_of(view, "methods")
    return tell(view) if tell else ""


def _checks(
    plan: Plan, model: str, counts: list[tuple[str, int, str]], swept: pd.DataFrame
) -> list[Check]:
    """Return whether a model saw the regions of the run, and what is known against it."""
    n, dropped = counts[0][1], counts[1][1]
    reasons = counted_reasons(swept[swept["model"] == model])[1].partition(" (")[0]
    if not dropped:
        found = [Check("good", f"{model} read all {plural(n, 'region')}.")]
    else:
        share = dropped / max(n, 1)
        found = [
            Check(
                "good" if share <= FEW_DROPPED else "look",
                f"{model} read {n - dropped:,} of {plural(n, 'region')}; left out: {reasons}.",
            )
        ]
    weak = plan.models[model].weaknesses()
    return found + [Check("look", f"Model {model}: {line}.") for line in weak]


def _source(plan: Plan) -> str:
    """Return what the regions of a run are."""
    if not plan.is_genome:
        return f"sequences of {plan.config.sequences.name}"
    bed = plan.config.regions.bed
    return "tiles of the genome" if bed is None else f"rows of {bed.name}"


def _counts(rows: list[tuple[str, int, str]]) -> Table:
    columns = [Column("what"), Column("count", True), Column("")]
    cells = [[what, f"{n:,}", text] for what, n, text in rows]
    return Table("Regions, from the input to each step", columns, cells)


def run_times(folder: Path) -> list[tuple[str, int, float, float]]:
    """Return (rule, jobs, summed seconds, largest memory in MB) from the benchmark files."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for path in sorted((folder / "benchmarks").rglob("*.tsv")):
        rule = path.relative_to(folder / "benchmarks").parts[0].removesuffix(".tsv")
        try:
            last = pd.read_csv(path, sep="\t", na_values=["NA", "-"]).iloc[-1]
            used = float(last["s"]), float(np.nan_to_num(last["max_rss"]))
        except (ValueError, KeyError, IndexError, TypeError):
            # Snakemake's own file, cut off by a kill or damaged: times are no product.
            continue
        rows.setdefault(rule, []).append(used)
    found = [
        (rule, len(jobs), sum(s for s, _ in jobs), max(m for _, m in jobs))
        for rule, jobs in rows.items()
    ]
    return sorted(found, key=lambda row: -row[2])


def _times(rows: list[tuple[str, int, float, float]]) -> Table:
    columns = [
        Column("rule"), Column("jobs", True), Column("seconds", True, "all jobs together"),
        Column("a job (s)", True, "mean"), Column("memory (MB)", True, "largest of its jobs"),
        Column(""),
    ]  # fmt: skip
    longest = max((seconds for _, _, seconds, _ in rows), default=0) or 1
    cells = [
        [
            rule,
            f"{jobs:,}",
            number(s),
            number(s / jobs),
            f"{m:,.0f}",
            Markup(share_bar(s / longest)),
        ]
        for rule, jobs, s, m in rows
    ]
    total = sum(seconds for _, _, seconds, _ in rows)
    n = plural(sum(jobs for _, jobs, _, _ in rows), "job")
    return Table(f"{n}, {number(total)} s of work in all", columns, cells)


def page_of_target(page: Page, plan: Plan, model: str, target: str) -> Page:
    """Return what the steps say of one target of a model with many, as a page of its own."""
    chapter = Chapter(f"target-{target}", target)
    for part in (p for c in page.chapters for p in c.parts if p.owner == model):
        if part.section.of_target(target):
            chapter.parts.append(replace(part, files=[], target=target))
    return replace(
        page, run=f"{plan.config.run}: {target}", chapters=[chapter], files=[], explorer=None,
        no_explorer="", up="../",
    )  # fmt: skip


def render(page: Page, path: Path) -> None:
    """Write the page."""
    tables = (files("cisweep.report") / "assets" / "tables.js").read_text(encoding="utf-8")
    text = _template().render(page=page, symbols=Markup(logo_symbols()), tables=tables)
    path.write_text(text, encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("cisweep.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
