"""Small figures of the page as inline SVG: histogram, bars along a sequence, boxes of spans."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH = 960


def _open(kind: str, height: float, label: str, top: float = 0) -> str:
    """Return the start of a figure as wide as the page, with what a screen reader says."""
    return (
        f'<svg class="{kind}" viewBox="0 {top:g} {WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(label, quote=True)}">'
    )


def histogram(
    values: np.ndarray, marks: Sequence[float] = (), *, unit: str, label: str, bins: int = 80
) -> str:
    """Return an SVG histogram of finite values on a log count axis; `marks` are vertical lines."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return "<p>no values</p>"
    counts, edges = np.histogram(finite, bins=bins)
    height, left, bottom = 150, 46, 34
    top = np.log10(max(counts.max(), 1) + 1)
    scale = (WIDTH - left - 10) / bins
    bars = "".join(
        f'<rect x="{left + i * scale:.1f}" y="{height * (1 - np.log10(c + 1) / top):.1f}" '
        f'width="{scale - 0.6:.2f}" height="{height * np.log10(c + 1) / top:.1f}">'
        f"<title>{edges[i]:.3g} to {edges[i + 1]:.3g}: {c}</title></rect>"
        for i, c in enumerate(counts)
        if c
    )
    span = edges[-1] - edges[0] or 1.0

    def x(value: float) -> float:
        return left + (value - edges[0]) / span * scale * bins

    lines = "".join(
        f'<line class="mark" x1="{x(m):.1f}" x2="{x(m):.1f}" y1="0" y2="{height}"/>'
        for m in marks
        if edges[0] <= m <= edges[-1]
    )
    ticks = "".join(
        f'<text x="{x(v):.1f}" y="{height + 14}" text-anchor="middle">'
        f"{format(v, 'g').replace('-', '−')}</text>"
        for v in round_ticks(edges[0], edges[-1])
    )
    counts_axis = "".join(
        f'<text x="{left - 6}" y="{height * (1 - np.log10(10**k + 1) / top) + 4:.1f}" '
        f'text-anchor="end">{10**k}</text>'
        for k in range(int(np.log10(max(counts.max(), 1))) + 1)
    )
    return (
        f"{_open('histogram', height + bottom + 6, label, -6)}{bars}"
        f'{lines}{ticks}{counts_axis}<text x="{left}" y="{height + 30}">{escape(unit)}; '
        f"number of windows, on a log scale</text></svg>"
    )


def round_ticks(low: float, high: float, about: int = 8) -> list[float]:
    """Return some `about` round numbers between low and high: multiples of 1, 2 or 5 × 10ⁿ."""
    if not high > low:
        return [float(low)]
    rough = (high - low) / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first = int(np.ceil(low / step - 1e-9))
    return [round(i * step, 12) for i in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def bars(
    values: np.ndarray, start: int, *, label: str, highlight: tuple[int, int] | None = None
) -> str:
    """Return an SVG of one bar per base, with the places of the first and last (1-based) below.

    start: genome coordinate of the first base, 0-based.
    """
    length, height = len(values), 70
    top, low = max(float(values.max(initial=0)), 0), min(float(values.min(initial=0)), 0)
    span = (top - low) or 1.0
    zero = height * top / span
    step = WIDTH / max(length, 1)
    made = []
    for i, v in enumerate(values):
        size = abs(v) / span * height
        if size >= 0.2:
            y = zero - size if v > 0 else zero
            kind = "up" if v > 0 else "down"
            made.append(
                f'<rect class="{kind}" x="{i * step:.2f}" y="{y:.1f}" '
                f'width="{max(step - 0.2, 0.3):.2f}" height="{size:.1f}"/>'
            )
    zoom = ""
    if highlight:
        a, b = highlight
        zoom = (
            f'<rect class="zoom" x="{a * step:.1f}" y="0" width="{(b - a) * step:.1f}" '
            f'height="{height}"/>'
        )
    return (
        f"{_open('bars', height + 16, label)}{zoom}"
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{zero:.1f}" y2="{zero:.1f}"/>{"".join(made)}'
        f'<text x="0" y="{height + 13}">{start + 1:,}</text>'
        f'<text x="{WIDTH}" y="{height + 13}" text-anchor="end">{start + length:,}</text></svg>'
    )


@dataclass(frozen=True)
class Span:
    """A named span under a logo: [start, end) relative to it, and its kind (seqlet or hit)."""

    start: int
    end: int
    label: str
    kind: str
    title: str = ""


def spans(items: Sequence[Span], length: int, *, label: str) -> str:
    """Return an SVG of boxes, each in the first row in which it overlaps no other."""
    rows: list[float] = []
    made = []
    step = WIDTH / max(length, 1)
    for item in sorted(items, key=lambda s: (s.kind != "seqlet", s.start, s.end)):
        a, b = max(item.start, 0) * step, min(item.end, length) * step
        # The label may be wider than its box, and ends at the right edge.
        wide = 6.6 * len(item.label) + 8
        text = min(a, WIDTH - wide)
        a_row, reach = min(a, text), max(b, text + wide)
        row = next((i for i, end in enumerate(rows) if end <= a_row), len(rows))
        if row == len(rows):
            rows.append(reach)
        rows[row] = reach
        y = row * 18
        made.append(
            f'<g class="{item.kind}"><rect x="{a:.1f}" y="{y}" width="{max(b - a, 2):.1f}" '
            f'height="14" rx="2"/><text x="{text + 3:.1f}" y="{y + 11}">{escape(item.label)}</text>'
            f"<title>{escape(item.title or item.label)}</title></g>"
        )
    if not made:
        return ""
    return f"{_open('spans', 18 * len(rows), label)}{''.join(made)}</svg>"


def interval(value: float, low: float, high: float, span: tuple[float, float]) -> str:
    """Return a small SVG of a value and its interval, on the scale [span[0], span[1]]."""
    width, height = 220, 18
    scale = (width - 8) / ((span[1] - span[0]) or 1.0)

    def x(at: float) -> float:
        return 4 + (min(max(at, span[0]), span[1]) - span[0]) * scale

    line = ""
    if np.isfinite(low) and np.isfinite(high):
        line = f'<line class="reach" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="9" y2="9"/>'
    zero = f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height}"/>'
    return (
        f'<svg class="interval" width="{width}" height="{height}" aria-hidden="true">{zero}{line}'
        f'<circle cx="{x(value):.1f}" cy="9" r="3.5"/></svg>'
    )


def share_bar(share: float) -> str:
    """Return a bar that fills `share` (0 to 1) of its cell."""
    return f'<span class="share" style="width:{100 * share:.1f}%"></span>'


def edit_map(
    rows: Sequence[tuple[str, Sequence[tuple[int, str, str]]]], length: int, *, label: str
) -> str:
    """Return an SVG with one line a design: its name, and each edit at its place.

    rows: (name, edits (position in the window, old base, new base)).
    """
    left, y = 200, 0
    step = (WIDTH - left - 12) / max(length, 1)
    made = []
    for name, edits in rows:
        levels = _levels([at * step for at, _, _ in edits])
        line = y + 16 + 11 * max(levels, default=0)
        made.append(
            f'<text class="name" x="0" y="{line + 3}">{escape(name[:34])}</text>'
            f'<line class="axis" x1="{left}" x2="{left + step * length:.1f}" y1="{line}" '
            f'y2="{line}"/>'
        )
        for (at, old, new), level in zip(edits, levels):
            x, top = left + (at + 0.5) * step, line - 4 - 11 * level
            made.append(
                f'<g class="edit"><line x1="{x:.1f}" x2="{x:.1f}" y1="{top + 1}" y2="{line + 3}"/>'
                f'<text class="base-{new}" x="{x:.1f}" y="{top}" text-anchor="middle">{new}'
                f"</text><title>{old}{at + 1}{new}: {old} to {new} at base {at + 1:,} of the window"
                "</title></g>"
            )
        y = line + 10
    ticks = "".join(
        f'<text x="{left + v * step:.1f}" y="{y + 10}" text-anchor="middle">{v:,.0f}</text>'
        for v in round_ticks(0, length)
    )
    return f"{_open('edits', y + 16, label)}{''.join(made)}{ticks}</svg>"


def _levels(places: Sequence[float], width: float = 10, most: int = 4) -> list[int]:
    """Return the lowest level of each letter (places from left to right) where it hides none."""
    ends = [-width] * most
    found = []
    for x in places:
        level = next((i for i, end in enumerate(ends) if end <= x), int(np.argmin(ends)))
        ends[level] = x + width
        found.append(level)
    return found
