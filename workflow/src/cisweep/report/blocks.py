"""What a part of the page is made of: notes, headings, tables and figures, and how numbers read."""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import isfinite, isnan
from pathlib import Path
from typing import Any, ClassVar

from markupsafe import Markup
from markupsafe import escape as escaped

MAX_EMBEDDED = 3 << 20
"""Bytes of a figure that is put into the page; a larger one is linked."""
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Heading:
    """A heading inside a section, one target for example."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Note:
    """A paragraph: what the reader sees next, its units, how to read it."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, whether it holds numbers, and what it means (a tool tip)."""

    name: str
    number: bool = False
    meaning: str = ""


class Cell(Markup):
    """The text of a cell, and the number by which the table is sorted and filtered."""

    value: float

    def __new__(cls, text: Any, value: float) -> "Cell":
        """Return the text, escaped unless it is Markup; value: missing where it is NaN."""
        made = super().__new__(cls, escaped(text))
        made.value = float(value)
        return made


@dataclass(frozen=True)
class Table:
    """Rows of cells, which are text or Markup; caption: what the table shows; empty: said instead
    of a table without rows; file: the name under which a reader takes the rows home, "" for a table
    without fields to filter it."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    empty: str = "There are none."
    file: str = ""


@dataclass(frozen=True)
class Figure:
    """A drawing with its legend; folded: shown once the reader asks for it; files: (name, path
    relative to the page) of the figure as files, and of its data."""

    kind: ClassVar[str] = "figure"
    drawing: Markup
    caption: str
    folded: bool = False
    files: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Files:
    """Links to files: what they are, (name, path relative to the page)."""

    kind: ClassVar[str] = "files"
    what: str
    files: Sequence[tuple[str, str]]


Block = Heading | Note | Table | Figure | Files


@dataclass(frozen=True)
class OfTarget:
    """A block about one target: of a model with many it stands on a page of its own."""

    target: str
    block: Block


class Headline(str):
    """A sentence for the top of the page with a logo beside it."""

    logo: Markup | str = ""

    def __new__(cls, text: str, logo: Markup | str = "") -> "Headline":
        """Return the sentence; logo: drawn beside it."""
        made = super().__new__(cls, text)
        made.logo = logo
        return made


@dataclass(frozen=True)
class Check:
    """Whether a reader can rely on a part of the run: `level` good, look or bad, and why."""

    level: str
    text: str


@dataclass
class Section:
    """A step's part of the page.

    blocks: what it shows, in order; headlines: sentences for the top of the page; warnings: those
    that stand before all others, what a reader must know to read the rest; checks: what
    was tried of the results; counts: (what, how many,
    remark) for the table of counts of its model; drawings: what draws the figures of `page_figures`
    that are this part's, by their name behind the model's.
    """

    blocks: list[Block | OfTarget] = field(default_factory=list)
    headlines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    counts: list[tuple[str, int, str]] = field(default_factory=list)
    drawings: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def add(self, target: str, blocks: Iterable[Block]) -> None:
        """Add blocks about one target."""
        self.blocks += [OfTarget(target, block) for block in blocks]

    def of_all(self, apart: bool) -> list[Block]:
        """Return the blocks in their order; apart: without those about one target."""
        return [
            each.block if isinstance(each, OfTarget) else each
            for each in self.blocks
            if not (apart and isinstance(each, OfTarget))
        ]

    def of_target(self, target: str) -> list[Block]:
        """Return the blocks about one target."""
        return [e.block for e in self.blocks if isinstance(e, OfTarget) and e.target == target]


def number(value: Any, digits: int = 3) -> str:
    """Return a number as a reader wants it: `digits` significant digits, true minus, thousands."""
    value = float(value)
    if isnan(value):
        return "–"
    if not isfinite(value):
        return "∞" if value > 0 else "−∞"
    if value and not 1e-3 <= abs(value) < 1e7:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa} × 10{str(int(power)).translate(_SUPERSCRIPT)}"
    elif value == int(value) or abs(value) >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    else:
        text = f"{value:#.{digits}g}".rstrip(".")
    return text.replace("-", "−", 1) if text.startswith("-") else text


def signed(value: Any, digits: int = 3) -> str:
    """Return a number with its sign, also where it is positive."""
    text = number(value, digits)
    return f"+{text}" if float(value) > 0 and text not in ("0", "–") else text


def place(chrom: str, start: int, end: int, strand: str = ".") -> str:
    """Return `chrom:start-end` as genome browsers write it (1-based, both ends in it), with
    thousands; a strand if there is one."""
    start_1based = start + 1
    where = f"{chrom}:{start_1based:,}-{end:,}"
    return where + (f" {strand.replace('-', '−')}" if strand != "." else "")


def listed(names: Sequence[str], shown: int) -> str:
    """Return the first names, joined by commas, and how many more there are."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def plural(n: int, noun: str) -> str:
    """Return `1 noun` or `1,234 nouns`."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def embedded(path: Path, alt: str, href: str) -> Markup:
    """Return a figure's file as an <img> that needs no other file, or a link if it is too large."""
    if path.stat().st_size > MAX_EMBEDDED:
        size = path.stat().st_size / 1e6
        return Markup(
            f'<p><a href="{escape(href)}">{escape(alt)}</a> ({size:.0f} MB, not in this page)</p>'
        )
    data = base64.b64encode(path.read_bytes()).decode()
    return Markup(
        f'<img src="data:{_TYPES[path.suffix]};base64,{data}" alt="{escape(alt, quote=True)}">'
    )
