"""A parity plot in which the worst predictions can be inspected, as one page without internet."""

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
    import plotly.graph_objects as go

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
        figure = go.Figure(
            # Not Scattergl, which needs WebGL: remote desktops often have none.
            go.Scatter(
                x=_abscissa(shown["observed"].to_numpy()),
                y=shown["predicted"],
                mode="markers",
                marker={"size": 5, "opacity": 0.6, "color": shown["error"].abs()},
                text=[name[:120] for name in shown["name"]],
                customdata=shown["observed"],
                hovertemplate="%{text}<br>observed %{customdata:.4g}<br>predicted %{y:.4g}"
                "<extra></extra>",
            )
        )
        figure.update_layout(
            title=f"{task}: {len(rows):,} held-out rows, {len(shown):,} drawn",
            xaxis_title="Observed",
            yaxis_title="Predicted",
            width=700,
            height=600,
            template="simple_white",
        )
        # The library (4 MB) stands once in the page.
        script = "inline" if not parts else False
        parts.append(
            figure.to_html(full_html=False, include_plotlyjs=script, div_id=f"parity_{task}")
        )
        worst = rows.head(n_worst)
        parts.append(f"<h2>{escape(task)}: worst predictions</h2>")
        parts.append(worst.to_html(index=False, float_format="{:.4g}".format, border=0))
    head = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
    )
    style = (
        "<style>body{font-family:sans-serif;margin:2em}td{font-family:monospace;"
        "padding:0 1em 0 0;word-break:break-all}th{text-align:left}</style></head><body>"
    )
    return f"{head}{style}<h1>{escape(title)}</h1>{''.join(parts)}</body></html>"


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
