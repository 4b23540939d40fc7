"""The page results/<run>/report.html: one file, no internet."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from cisweep.plot.letters import pwm_information
from cisweep.plot.svg import logo_svg, logo_symbols
from cisweep.report.content import ModelContent, Region, TargetContent
from cisweep.report.figures import Span, bars, histogram, proportion_bars, spans

ZOOM_BP = 100
UNITS = {
    "logit": "logit",
    "probability": "probability",
    "log_counts": "log counts",
    "log1p_counts": "log(1 + counts)",
    "counts": "counts",
}


@dataclass(frozen=True)
class Page:
    """What the page is made of.

    run: name; models: content by model; matrices: motif name -> (4, W) probabilities; settings:
    label -> value, what was run; times: (rule, seconds, text); provenance: provenance.json.
    """

    run: str
    models: list[ModelContent]
    matrices: dict[str, np.ndarray]
    settings: dict[str, str]
    times: list[tuple[str, float, str]]
    provenance: dict[str, Any]


def motif_logo(matrix: np.ndarray) -> Markup:
    """Return the logo of a motif, letters as high as their information in bits."""
    return Markup(
        logo_svg(
            pwm_information(matrix).T, height_px=44, width_px=13 * matrix.shape[1], symbols=False
        )
    )


def region_figure(region: Region, target: str) -> Markup:
    """Return the track of a window and, zoomed to its strongest stretch, logo, seqlets and hits."""
    low, high = strongest_stretch(region.attributions, ZOOM_BP)
    items = [
        Span(int(s.start) - region.start - low, int(s.end) - region.start - low,
             f"{s.motif or 'seqlet'}", "seqlet",
             f"seqlet, {s.attribution:+.2f}, q {s.q_value:.2g}; closest motif {s.motif}")
        for s in region.seqlets.itertuples()
    ] if len(region.seqlets) else []  # fmt: skip
    if len(region.hits):
        value = f"attribution_{target}"
        for h in region.hits.itertuples():
            items.append(
                Span(
                    int(h.start) - region.start - low,
                    int(h.end) - region.start - low,
                    h.name,
                    "hit",
                    f"{h.motif} {h.name} {h.strand}, p {h.p_value:.2g}, attribution "
                    f"{getattr(h, value):+.2f}",
                )  # fmt: skip
            )
    shown = [i for i in items if i.start < high - low and i.end > 0]
    return Markup(
        bars(region.attributions, region.start, highlight=(low, high))
        + logo_svg(region.logo[low:high], height_px=90, width_px=960, symbols=False)
        + spans(shown, high - low)
    )


def strongest_stretch(values: np.ndarray, width: int) -> tuple[int, int]:
    """Return [low, high) of the `width` positions with the largest sum of absolute values."""
    if len(values) <= width:
        return 0, len(values)
    total = np.concatenate([[0.0], np.cumsum(np.abs(values))])
    low = int(np.argmax(total[width:] - total[:-width]))
    return low, low + width


def prediction_figure(target: TargetContent) -> Markup:
    """Return the histogram of a target's predictions, the weakest selected peak marked."""
    marks = [float(target.peaks.min())] if len(target.peaks) else []
    return Markup(
        histogram(target.predictions, marks, unit=f"{target.name}, {UNITS[target.scale]}")
    )


def render(page: Page, path: Path) -> None:
    """Write the page."""
    environment = Environment(
        loader=PackageLoader("cisweep.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
    )
    environment.filters["count"] = lambda n: f"{int(n):,}"
    template = environment.get_template("page.html.j2")
    html = template.render(
        page=page,
        prediction_figure=prediction_figure,
        region_figure=region_figure,
        motif_logo=lambda name: motif_logo(page.matrices[name]) if name in page.matrices else "",
        run_times=Markup(proportion_bars(page.times)),
        symbols=Markup(logo_symbols()),
        units=UNITS,
    )
    path.write_text(html, encoding="utf-8")
