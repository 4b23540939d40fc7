"""Annotations beneath a logo: bars and names in rows, none over another."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cisweep.errors import SequenceError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_POINTS = {"font": 8.0, "bar": 3.0, "gap": 2.5, "between": 4.0}
_EXTRA = 0.75  # size of names that have no bar
_EXTRA_COLOR = "0.55"
_MOST_ROOM = 0.75  # of the axes' height


@dataclass(frozen=True)
class AnnotationStyle:
    """How many rows have bars, whether names without a bar are shown, the colors of the rows."""

    n_tracks: int
    show_extra: bool
    cmap: Any


@dataclass(frozen=True)
class Annotation:
    """What is written for one row of a table; start and end are relative to the drawn span."""

    start: float
    end: float
    text: str


def select_annotations(
    table: "pd.DataFrame", first: int, last: int, score_key: str, show_score: bool
) -> list[Annotation]:
    """Return the annotations that touch [first, last), clipped to it, the best-scored first."""
    for column in ("start", "end"):
        if column not in table:
            raise SequenceError(
                f"annotations have no column {column!r}: {', '.join(map(str, table.columns))}",
                mend="give motif_name, start, end and a score, 0-based half-open",
            )
    scored = score_key in table
    if show_score and not scored and score_key != "score":
        raise SequenceError(
            f"annotations have no column {score_key!r}: {', '.join(map(str, table.columns))}",
            where="score_key",
            mend="name the column of the score, or pass show_score=False",
        )
    touching = table[(table["end"] > first) & (table["start"] < last)]
    by = [score_key, "start"] if scored else ["start"]
    ordered = touching.sort_values(by, ascending=[False, True][-len(by) :], kind="stable")
    names = ordered["motif_name"] if "motif_name" in ordered else ordered.iloc[:, 0]
    scores = ordered[score_key] if scored and show_score else [None] * len(ordered)
    return [
        Annotation(
            max(float(start) - first, 0.0),
            min(float(end), last) - first,
            str(name) if score is None else f"{name} ({score:.3g})",
        )
        for name, start, end, score in zip(names, ordered["start"], ordered["end"], scores)
    ]


def pack_rows(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the row of each interval: the first one where it touches none that came before."""
    result = np.full(len(left), -1)
    for i in range(len(left)):
        touching = (left < right[i]) & (right > left[i])
        taken = set(result[:i][touching[:i]].tolist())
        result[i] = next(row for row in range(i + 1) if row not in taken)
    return result


def draw_annotations(
    ax: "Axes", annotations: list[Annotation], style: AnnotationStyle, floor: float, fit: bool
) -> None:
    """Draw bars and names downwards from `floor` (data), and with `fit` make room for them.

    Widths are measured in points with the figure's present size: resize before, not after.
    """
    if not annotations:
        return
    width, height = _size_in_points(ax)
    x_low, x_high = ax.get_xlim()
    per_base = width / (x_high - x_low)
    bars = np.array([[a.start, a.end] for a in annotations])
    bars_pt = (bars - x_low) * per_base
    size = np.full(len(annotations), _POINTS["font"])
    names_pt, rows = _layout(annotations, bars_pt, size, width)
    extra = rows >= style.n_tracks
    if extra.any():
        # What has no bar is written smaller, in rows of its own below the others.
        size[extra] *= _EXTRA
        few = [a for a, e in zip(annotations, extra) if e]
        names_pt[extra], rows_extra = _layout(few, None, size[extra], width, bars_pt[extra])
        rows[extra] = style.n_tracks + rows_extra
    tops, room = _tops(rows, style)
    scale = _fit(ax, floor, room, height) if fit else _scale(ax, height)
    y_names = floor - (tops + np.where(extra, 0, _POINTS["bar"] + _POINTS["gap"])) * scale
    colors = _row_colors(style, int(rows[~extra].max(initial=-1)) + 1)
    drawn = ~extra | style.show_extra
    _draw_bars(ax, bars, floor - (tops + _POINTS["bar"] / 2) * scale, rows, ~extra, colors)
    for i in np.flatnonzero(drawn):
        ax.text(
            x_low + names_pt[i].mean() / per_base,
            y_names[i],
            annotations[i].text,
            fontsize=size[i],
            color=_EXTRA_COLOR if extra[i] else colors[rows[i]],
            ha="center",
            va="top",
            gid="annotation",
            linespacing=1.0,
        )


def _size_in_points(ax: "Axes") -> tuple[float, float]:
    whole = ax.figure.canvas.figure  # ax.figure may be a part of it
    if whole.get_layout_engine() is not None:
        # A layout would change the size only later, when the figure is drawn.
        whole.get_layout_engine().execute(whole)
    box = ax.get_window_extent()
    return box.width * 72 / ax.figure.dpi, box.height * 72 / ax.figure.dpi


def _layout(
    annotations: list[Annotation],
    bars: np.ndarray | None,
    size: np.ndarray,
    width: float,
    centers: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the names' (left, right) in points, and the rows of names with their bars."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    middle = (bars if bars is not None else centers).mean(axis=1)
    half = np.array(
        [
            text_to_path.get_text_width_height_descent(a.text, FontProperties(size=s), False)[0] / 2
            for a, s in zip(annotations, size)
        ]
    )
    # A name stays inside of the axes where it can.
    middle = np.clip(middle, np.minimum(half, width / 2), np.maximum(width - half, width / 2))
    names = np.column_stack([middle - half, middle + half])
    blocks = (
        names
        if bars is None
        else np.column_stack(
            [np.minimum(names[:, 0], bars[:, 0]), np.maximum(names[:, 1], bars[:, 1])]
        )
    )
    gap = _POINTS["between"] / 2
    return names, pack_rows(blocks[:, 0] - gap, blocks[:, 1] + gap)


def _tops(rows: np.ndarray, style: AnnotationStyle) -> tuple[np.ndarray, float]:
    """Return how far below the floor each annotation begins, and all room, in points."""
    font, bar, gap, between = _POINTS.values()
    full, small = bar + gap + font * 1.3 + between, font * _EXTRA * 1.3 + between / 2
    n_full = min(int(rows.max()) + 1, style.n_tracks)
    n_small = max(int(rows.max()) + 1 - style.n_tracks, 0) if style.show_extra else 0
    below = np.maximum(rows - style.n_tracks, 0)
    tops = between + np.where(rows < style.n_tracks, rows * full, n_full * full + below * small)
    return tops, between + n_full * full + n_small * small


def _scale(ax: "Axes", height: float) -> float:
    low, high = ax.get_ylim()
    return (high - low) / height


def _fit(ax: "Axes", floor: float, room: float, height: float) -> float:
    """Lower the axes' limit so that `room` points fit below `floor`; return data per point."""
    from matplotlib.ticker import MaxNLocator

    share = min(room / height, _MOST_ROOM)
    high = ax.get_ylim()[1]
    ax.set_ylim(floor - (high - floor) * share / (1 - share), high)
    # The room below the letters has no unit.
    ticks = MaxNLocator(5).tick_values(floor, high)
    ax.set_yticks(ticks[(ticks >= floor) & (ticks <= high)])
    ax.spines["left"].set_bounds(floor, high)
    return _scale(ax, height)


def _row_colors(style: AnnotationStyle, n_rows: int) -> list[Any]:
    import matplotlib

    if n_rows == 1:
        return ["black"]
    if isinstance(style.cmap, str):
        cmap = matplotlib.colormaps[style.cmap]
        return [cmap(i % cmap.N) for i in range(n_rows)]
    listed = list(getattr(style.cmap, "colors", style.cmap))
    return [listed[i % len(listed)] for i in range(n_rows)]


def _draw_bars(
    ax: "Axes",
    bars: np.ndarray,
    y: np.ndarray,
    rows: np.ndarray,
    shown: np.ndarray,
    colors: list[Any],
) -> None:
    from matplotlib.collections import LineCollection

    chosen = np.flatnonzero(shown)
    segments = [[(bars[i, 0], y[i]), (bars[i, 1], y[i])] for i in chosen]
    ax.add_collection(
        LineCollection(
            segments,
            colors=[colors[rows[i]] for i in chosen],
            linewidths=_POINTS["bar"],
            capstyle="butt",
            clip_on=False,
            gid="annotation bars",
        ),
        autolim=False,
    )
