"""A logo whose annotations tell more where one points at them: for notebooks and pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from cisweep.errors import SequenceError
from cisweep.plot.logo import ACGT, plot_logo

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_GREY = "#c4c4c4"
_TOOLTIP_CSS = (
    ".mpld3-tooltip{background:#fffffff2;border:1px solid #bbb;border-radius:3px;"
    "padding:.4em .6em;font:11px sans-serif;color:#222}"
)
# mpld3 draws its own axes, whose lines it takes from no property of the figure.
_NO_LINES = (
    ".mpld3-xaxis path,.mpld3-yaxis path,.mpld3-xaxis .tick line,.mpld3-yaxis .tick line"
    "{display:none!important}"
)
_GREY_GRID = f".mpld3-ygrid .tick line{{stroke:{_GREY}!important;stroke-width:.5px!important}}"
_CALLED = {"attribution": "seqlet attribution", "p-value": "seqlet p-value"}
_LEFT, _RIGHT = 0.1, 0.05  # of a position: letters are 0.95 wide


@dataclass(frozen=True)
class _Box:
    """An annotation: its span in the drawn axes, its name, and what is told of it as HTML."""

    left: float
    right: float
    name: str
    told: str


def interactive_logo(
    X_attr: Any,
    ax: "Axes | None" = None,
    color: Any = None,
    color_cmap: str = "viridis",
    color_vmin: float | None = None,
    color_vmax: float | None = None,
    annotations: "pd.DataFrame | None" = None,
    start: int | None = None,
    end: int | None = None,
    ylim: float | tuple[float, float] | None = None,
    alphabet: Sequence[str] = ACGT,
    min_height_pct: float | None = 0.02,
    box_alpha: float = 0.3,
    box_linewidth: float = 0,
    annot_cmap: Any = "Pastel1",
    label: bool = True,
    label_fontsize: float = 9,
    grid: bool = True,
    despine: bool = True,
    tooltip_css: str | None = None,
) -> "Axes":
    """Return axes with a logo and a box behind each annotation, which tells all of its columns.

    `interactive_html(ax)` is the figure as HTML in which one can point at the boxes; where mpld3 is
    installed, `mpld3.display(ax.figure)` shows the same.

    Parameters
    ----------
    X_attr, ax, color, color_cmap, color_vmin, color_vmax, start, end, ylim, alphabet,
        min_height_pct: as in `plot_logo`.
    annotations: table with columns start and end, 0-based half-open in `X_attr`
        Those that touch the span are drawn, clipped to it. They are called by their column `name`,
        else numbered from 0 by their start; attribution and p-value are told as those of a seqlet.
    box_alpha, box_linewidth: opacity of the boxes, width of their outlines in points
    annot_cmap: name of a colormap, list of colors or a colormap
        Of a list each annotation takes the next one; others are sampled evenly.
    label, label_fontsize: whether the name stands in the box, and its size in points
    grid: horizontal grey lines, or none
    despine: leave out the lines and tick marks of the axes
    tooltip_css: CSS of what is told, whose class is mpld3-tooltip; None: a white box

    Raises
    ------
    SequenceError
        As in `plot_logo`.

    Source: tangermeme 1.6 plot.interactive_logo.
    """
    ax = plot_logo(
        X_attr, ax=ax, color=color, color_cmap=color_cmap, color_vmin=color_vmin,
        color_vmax=color_vmax, start=start, end=end, ylim=ylim, alphabet=alphabet,
        min_height_pct=min_height_pct,
    )  # fmt: skip
    ax.grid(False)
    if grid:
        ax.set_axisbelow(True)
        ax.grid(True, axis="y", color=_GREY, linewidth=0.5)
    if despine:
        ax.spines["left"].set_visible(False)
        ax.tick_params(length=0)
    first = 0 if start is None else start
    last = np.shape(X_attr)[-1] if end is None else end
    boxes = [] if annotations is None else _boxes(annotations, first, last)
    css = _TOOLTIP_CSS if tooltip_css is None else tooltip_css
    if boxes:
        drawn = _draw(ax, boxes, _colors(annot_cmap, len(boxes)), box_alpha, box_linewidth)
        if label:
            _write_names(ax, boxes, _colors(annot_cmap, len(boxes)), label_fontsize)
        extra = (_GREY_GRID if grid else "") + (_NO_LINES if despine else "")
        _connect_mpld3(ax, drawn, [box.told for box in boxes], css + extra)
    ax.logo_boxes = (boxes, css)
    return ax


def _boxes(table: "pd.DataFrame", first: int, last: int) -> list[_Box]:
    for column in ("start", "end"):
        if column not in table:
            raise SequenceError(
                f"annotations have no column {column!r}: {', '.join(map(str, table.columns))}",
                mend="give start and end, 0-based half-open",
            )
    shown = table[(table["end"] > first) & (table["start"] < last)]
    shown = shown.sort_values("start", kind="stable")
    boxes = []
    for i, row in enumerate(shown.to_dict("records")):
        name = str(row.get("name", i))
        begin, end = int(row["start"]), int(row["end"])
        facts = [f"<b>{escape(name)}</b>", f"length: {end - begin:,}"]
        facts += [
            f"{escape(str(_CALLED.get(column, column)))}: {_told(column, value)}"
            for column, value in row.items()
            if column != "name"
        ]
        left, right = max(begin, first) - first, min(end, last) - first
        boxes.append(_Box(left - _LEFT, right - _RIGHT, name, "<br>".join(facts)))
    return boxes


def _told(column: Any, value: Any) -> str:
    if column in ("start", "end"):
        return f"{int(value):,}"
    return f"{value:.3g}" if isinstance(value, float | np.floating) else escape(str(value))


def _colors(cmap: Any, n: int) -> list[tuple[float, float, float]]:
    import matplotlib
    from matplotlib.colors import ListedColormap

    if isinstance(cmap, str):
        cmap = matplotlib.colormaps[cmap]
    elif not isinstance(cmap, matplotlib.colors.Colormap):
        cmap = ListedColormap(list(cmap))
    if isinstance(cmap, ListedColormap):
        return [cmap(i % cmap.N)[:3] for i in range(n)]
    return [cmap(i / max(1, n - 1))[:3] for i in range(n)]


def _darker(color: Sequence[float], share: float) -> tuple[float, ...]:
    return tuple(share * part for part in color)


def _draw(ax: "Axes", boxes: list[_Box], colors: list[Any], alpha: float, linewidth: float) -> Any:
    """Add the boxes, over the whole height, behind the letters and above the grid."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    low, high = ax.get_ylim()
    drawn = PatchCollection(
        [Rectangle((box.left, low), box.right - box.left, high - low) for box in boxes],
        facecolors=[(*color, alpha) for color in colors],
        edgecolors=[_darker(color, 0.7) for color in colors],
        linewidths=linewidth,
        zorder=0.6,
        gid="annotation boxes",
    )
    ax.add_collection(drawn, autolim=False)
    return drawn


def _write_names(ax: "Axes", boxes: list[_Box], colors: list[Any], size: float) -> None:
    low, high = ax.get_ylim()
    for box, color in zip(boxes, colors):
        ax.text(
            box.left + 0.25, high - 0.05 * (high - low), box.name, fontsize=size, ha="left",
            va="top", color=_darker(color, 0.4), gid="annotation", parse_math=False,
        )  # fmt: skip


def _connect_mpld3(ax: "Axes", drawn: Any, told: list[str], css: str) -> None:
    """Tell mpld3, where it is installed, what to show where one points at a box."""
    try:
        from mpld3 import plugins
    except ImportError:
        return
    plugins.connect(ax.figure, plugins.PointHTMLTooltip(drawn, labels=told, css=css))


_PAGE = """<div id="{key}" style="position:relative;display:inline-block">
<style>{css}</style>{svg}
<div class="mpld3-tooltip" style="position:absolute;pointer-events:none" hidden></div></div>
<script>(() => {{
const root = document.getElementById("{key}"), tip = root.lastElementChild;
for (const box of root.querySelectorAll("[data-told]")) {{
  box.onmousemove = (event) => {{
    const place = root.getBoundingClientRect();
    tip.innerHTML = box.dataset.told;
    tip.style.left = event.clientX - place.left + 12 + "px";
    tip.style.top = event.clientY - place.top + 12 + "px";
    tip.hidden = false;
  }};
  box.onmouseleave = () => {{ tip.hidden = true; }};
}}
}})();</script>"""


def interactive_html(ax: "Axes") -> str:
    """Return the figure of the axes of `interactive_logo` as HTML that needs nothing else.

    A fragment, for IPython.display.HTML or a page of one's own: an SVG, with invisible boxes over
    the annotations of all its logos, and what shows their facts. Names and values are escaped. The
    same figure has the same bytes. Raises SequenceError for a figure without an interactive logo.
    """
    import matplotlib

    figure = ax.figure.canvas.figure  # ax.figure may be a part of it
    logos = [each for each in figure.axes if hasattr(each, "logo_boxes")]
    if not logos:
        raise SequenceError(
            "the figure has no interactive logo", mend="draw it with interactive_logo"
        )
    written = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "cisweep", "savefig.bbox": "standard"}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    # Places are taken after the figure was written, which lays it out.
    boxes = "".join(_svg_box(each, box) for each in logos for box in each.logo_boxes[0])
    svg = svg[: svg.rindex("</svg>")] + boxes + "</svg>"
    css = "".join(dict.fromkeys(each.logo_boxes[1] for each in logos))
    key = "logo-" + sha256((css + svg).encode()).hexdigest()[:12]
    return _PAGE.format(key=key, css=css.replace("</", "<\\/"), svg=svg)


def _svg_box(ax: "Axes", box: _Box) -> str:
    """Return an invisible rectangle of the SVG, whose unit is a point and whose y goes down."""
    low, high = ax.get_ylim()
    (x0, y0), (x1, y1) = ax.transData.transform([(box.left, low), (box.right, high)])
    figure = ax.figure.canvas.figure
    unit, height = 72 / figure.dpi, 72 * figure.get_size_inches()[1]
    return (
        f'<rect x="{x0 * unit:.2f}" y="{height - y1 * unit:.2f}" width="{(x1 - x0) * unit:.2f}" '
        f'height="{(y1 - y0) * unit:.2f}" fill="none" pointer-events="all" '
        f'data-told="{escape(box.told)}"/>'
    )
