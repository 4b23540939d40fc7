"""Small figures of the page as inline SVG: histogram, bars along a sequence, boxes of spans."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH = 960


def histogram(values: np.ndarray, marks: Sequence[float] = (), *, unit: str, bins: int = 80) -> str:
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
        f'<text x="{x(v):.1f}" y="{height + 14}" text-anchor="middle">{v:.3g}</text>'
        for v in np.linspace(edges[0], edges[-1], 7)
    )
    counts_axis = "".join(
        f'<text x="{left - 6}" y="{height * (1 - np.log10(10**k + 1) / top) + 4:.1f}" '
        f'text-anchor="end">{10**k}</text>'
        for k in range(int(np.log10(max(counts.max(), 1))) + 1)
    )
    return (
        f'<svg class="histogram" viewBox="0 -6 {WIDTH} {height + bottom + 6}" role="img">{bars}'
        f'{lines}{ticks}{counts_axis}<text x="{left}" y="{height + 30}">{escape(unit)}; '
        f"windows on a log axis</text></svg>"
    )


def bars(values: np.ndarray, start: int, *, highlight: tuple[int, int] | None = None) -> str:
    """Return an SVG of one bar a base; `start`: genome coordinate of the first (0-based)."""
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
        f'<svg class="bars" viewBox="0 0 {WIDTH} {height + 16}">{zoom}'
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{zero:.1f}" y2="{zero:.1f}"/>{"".join(made)}'
        f'<text x="0" y="{height + 13}">{start:,}</text>'
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


def spans(items: Sequence[Span], length: int) -> str:
    """Return an SVG of boxes, each in the first row in which it overlaps no other."""
    rows: list[float] = []
    made = []
    step = WIDTH / max(length, 1)
    for item in sorted(items, key=lambda s: (s.kind != "seqlet", s.start, s.end)):
        a, b = max(item.start, 0) * step, min(item.end, length) * step
        # The label may be wider than its box.
        reach = max(b, a + 6.6 * len(item.label) + 8)
        row = next((i for i, end in enumerate(rows) if end <= a), len(rows))
        if row == len(rows):
            rows.append(reach)
        rows[row] = reach
        y = row * 18
        made.append(
            f'<g class="{item.kind}"><rect x="{a:.1f}" y="{y}" width="{max(b - a, 2):.1f}" '
            f'height="14" rx="2"/><text x="{a + 3:.1f}" y="{y + 11}">{escape(item.label)}</text>'
            f"<title>{escape(item.title or item.label)}</title></g>"
        )
    if not made:
        return ""
    return f'<svg class="spans" viewBox="0 0 {WIDTH} {18 * len(rows)}">{"".join(made)}</svg>'


def proportion_bars(rows: Sequence[tuple[str, float, str]]) -> str:
    """Return an HTML table of labels, bars and values; the largest value fills its cell."""
    top = max((value for _, value, _ in rows), default=0) or 1
    return "".join(
        f'<tr><td>{escape(label)}</td><td class="bar"><span style="width:{100 * value / top:.1f}%">'
        f"</span></td><td class=number>{escape(text)}</td></tr>"
        for label, value, text in rows
    )
