"""Plots of points that a reader can ask: values at the pointer and by keyboard, a place each."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup

from cisweep.report.figures import round_ticks

_WIDTH, _HEIGHT = 460, 320
_LEFT, _TOP, _BOTTOM = 58, 22, 44
_LETTER = 5.6  # px of a letter of a name, at 10 px
_NAMES = 6
"""Points of a panel that are named where there is room."""


@dataclass(frozen=True)
class Point:
    """A point: where it stands, what it says, where in the genome it leads (chrom:start-end,
    1-based; "" for nowhere), its class, and the name that is written beside it if there is room."""

    x: float
    y: float
    text: str
    locus: str = ""
    kind: str = ""
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """Points with their axes; the first point is the first to be reached by keyboard.

    level: a horizontal line; diagonal: where x equals y.
    """

    title: str
    x_name: str
    y_name: str
    points: Sequence[Point]
    level: float | None = None
    diagonal: bool = False


def points_plot(panels: Sequence[Panel]) -> Markup:
    """Return one SVG a panel, side by side, and a line that tells the point a reader is at."""
    drawn = "".join(f"<div>{_panel(panel)}<p class='told' role='status'></p></div>"
                    for panel in panels)  # fmt: skip
    return Markup(f'<div class="panels">{drawn}</div>')


def _panel(panel: Panel) -> str:
    points = [p for p in panel.points if np.isfinite(p.x) and np.isfinite(p.y)]
    if not points:
        return f"<p>{escape(panel.title)}: no values</p>"
    xs, ys = [p.x for p in points], [p.y for p in points]
    if panel.diagonal:
        xs = ys = [*xs, *ys]
    if panel.level is not None:
        ys = [*ys, panel.level]
    x_span, y_span = _span(xs), _span(ys)

    def x(value: float) -> float:
        return _LEFT + (value - x_span[0]) / (x_span[1] - x_span[0]) * (_WIDTH - _LEFT - 10)

    def y(value: float) -> float:
        height = _HEIGHT - _TOP - _BOTTOM
        return _TOP + height * (1 - (value - y_span[0]) / (y_span[1] - y_span[0]))

    bottom = _HEIGHT - _BOTTOM
    parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - 10}"/>']
    parts += [
        f'<text x="{x(v):.1f}" y="{bottom + 14}" text-anchor="middle">{_tick(v)}</text>'
        for v in round_ticks(*x_span, 6)
    ] + [
        f'<text x="{_LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{_tick(v)}</text>'
        for v in round_ticks(*y_span, 6)
    ]
    middle = (_TOP + bottom) / 2
    parts += [
        f'<text class="title" x="{_LEFT}" y="13">{escape(panel.title)}</text>',
        f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{escape(panel.x_name)}</text>",
        f'<text x="13" y="{middle}" text-anchor="middle" transform="rotate(-90 13 {middle})">'
        f"{escape(panel.y_name)}</text>",
    ]
    if panel.diagonal:
        low, high = x_span
        parts.append(_line(x(low), y(low), x(high), y(high)))
    elif x_span[0] < 0 < x_span[1]:
        parts.append(_line(x(0), _TOP, x(0), bottom))
    if panel.level is not None:
        parts.append(_line(_LEFT, y(panel.level), _WIDTH - 10, y(panel.level)))
    parts += [_point(p, x(p.x), y(p.y)) for p in points]
    named = [(p.name, x(p.x), y(p.y)) for p in points if p.name][:_NAMES]
    parts += _names(named, [(x(p.x), y(p.y)) for p in points])
    label = f"{panel.title}: {panel.y_name} against {panel.x_name}, {len(points)} points"
    return (
        f'<svg class="points" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="group" aria-label="{escape(label, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = float(min(values)), float(max(values))
    beside = 0.05 * (high - low) or max(abs(high), 1) * 0.05
    return low - beside, high + beside


def _tick(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="guide" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _point(point: Point, x: float, y: float) -> str:
    text = escape(point.text, quote=True)
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{text}</title></circle>'
    kind = f"point {point.kind}".strip()
    if not point.locus:
        return f'<g class="{kind}" role="img" aria-label="{text}">{circle}</g>'
    href = escape(f"#{point.locus}", quote=True)
    return f'<a class="{kind}" href="{href}" aria-label="{text}">{circle}</a>'


def _names(
    named: Sequence[tuple[str, float, float]], points: Sequence[tuple[float, float]]
) -> list[str]:
    """Return the names that hide no other name and no point: beside, below or above their own
    point; the first ones first."""
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    made = []
    for name, x, y in named:
        wide = _LETTER * len(name)
        places = [(x + 7, y), (x - 7 - wide, y)]
        places += [(x - wide / 2, y + 10 * k) for k in (1, -1)]
        for left, middle in places:
            box = (left, middle - 5, left + wide, middle + 5)
            inside = left >= _LEFT and left + wide <= _WIDTH and middle - 5 >= _TOP - 6
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                at = f'x="{left:.1f}" y="{middle + 3.5:.1f}"'
                made.append(f'<text class="name" {at}>{escape(name)}</text>')
                break
    return made


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
