"""A parity plot in which the worst predictions can be inspected, as one page without internet."""

from collections.abc import Callable
from html import escape

import numpy as np
import pandas as pd


def parity_page(table: pd.DataFrame, tasks: list[str], title: str, n_worst: int = 50) -> str:
    """Return an HTML page: a scatter of each task with names on hover, and its worst predictions.

    Above 5,000 rows the 1,000 worst and a regular share of the others are drawn.

    Parameters
    ----------
    table: columns name, <task>_observed and <task>_predicted.
    tasks: the tasks to show.
    title: heading of the page.
    n_worst: rows in the table of the worst.
    """
    parts = []
    for task in tasks:
        rows = pd.DataFrame(
            {
                "name": table["name"].astype(str),
                "observed": table[f"{task}_observed"].astype(float),
                "predicted": table[f"{task}_predicted"].astype(float),
            }
        ).dropna()
        if rows.empty:
            continue
        rows["error"] = _errors(rows["observed"].to_numpy(), rows["predicted"].to_numpy())
        rows = rows.iloc[np.argsort(-rows["error"].abs().to_numpy(), kind="stable")]
        rest = rows.iloc[1000:]
        shown = pd.concat([rows.iloc[:1000], rest.iloc[:: max(len(rest) // 4000, 1)]])
        parts.append(f"<h2>{escape(task)}: {len(rows):,} held-out rows, {len(shown):,} drawn</h2>")
        parts.append(_scatter(shown, f"{task}: observed and predicted"))
        worst = rows.head(n_worst)
        parts.append(f"<h2>{escape(task)}: worst predictions</h2>")
        parts.append(worst.to_html(index=False, float_format="{:.4g}".format, border=0))
    head = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
    )
    style = (
        "<style>body{font-family:sans-serif;margin:2em}td{font-family:monospace;"
        "padding:0 1em 0 0;word-break:break-all}th{text-align:left}svg{max-width:100%;height:auto}"
        "svg text{font-size:12px}circle{fill-opacity:.6}circle:hover{stroke:#000;fill-opacity:1}"
        "</style></head><body>"
    )
    return f"{head}{style}<h1>{escape(title)}</h1>{''.join(parts)}</body></html>"


def _scatter(shown: pd.DataFrame, label: str) -> str:
    """Return an SVG of one point a row, the darker the larger its error; point at one for its name
    and values."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex
    from matplotlib.ticker import MaxNLocator

    x, y = _abscissa(shown["observed"].to_numpy()), shown["predicted"].to_numpy()
    error = shown["error"].abs().to_numpy()
    hue = colormaps["viridis_r"](error / (error.max() or 1))
    at_x, at_y = _scale(x, 60, 680), _scale(y, 540, 20)
    # The worst come last, above the others.
    points = [
        f'<circle cx="{at_x(x[i]):.1f}" cy="{at_y(y[i]):.1f}" r="3" fill="{to_hex(hue[i])}"><title>'
        f"{escape(name[:120])}: observed {observed:.4g}, predicted {y[i]:.4g}</title></circle>"
        for i, (name, observed) in enumerate(zip(shown["name"], shown["observed"]))
    ][::-1]
    ticks = [
        f'<text x="{at_x(v):.1f}" y="560" text-anchor="middle">{v:g}</text>'
        for v in MaxNLocator(7).tick_values(x.min(), x.max())
        if x.min() <= v <= x.max()
    ] + [
        f'<text x="52" y="{at_y(v) + 4:.1f}" text-anchor="end">{v:g}</text>'
        for v in MaxNLocator(7).tick_values(y.min(), y.max())
        if y.min() <= v <= y.max()
    ]
    return (
        f'<svg viewBox="0 0 700 600" width="700" height="600" role="img" '
        f'aria-label="{escape(label, quote=True)}"><path d="M60 20V540H680" fill="none" '
        f'stroke="#999"/>{"".join(ticks)}<text x="370" y="585" text-anchor="middle">observed</text>'
        '<text x="14" y="280" text-anchor="middle" transform="rotate(-90 14 280)">predicted</text>'
        f"{''.join(points)}</svg>"
    )


def _scale(values: np.ndarray, low: float, high: float) -> Callable[[float], float]:
    """Return where a value stands between `low` and `high` px."""
    first, span = float(values.min()), float(np.ptp(values)) or 1.0
    return lambda value: low + (value - first) / span * (high - low)


def _abscissa(observed: np.ndarray) -> np.ndarray:
    """Return where the points stand; labels, which are 0 or 1, are spread to both sides."""
    if not np.isin(observed, (0.0, 1.0)).all():
        return observed
    # Multiples of the golden ratio are spread evenly, whatever the number of points.
    return observed + 0.6 * (np.arange(len(observed)) * 0.618034 % 1 - 0.5)


def _errors(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return how wrong each prediction is; of labels, how far its logit is on the wrong side."""
    if not np.isin(observed, (0.0, 1.0)).all():
        return predicted - observed
    # −log of the probability that the label was given, with the sign of the error.
    return np.where(observed == 1, -np.logaddexp(0, -predicted), np.logaddexp(0, predicted))
