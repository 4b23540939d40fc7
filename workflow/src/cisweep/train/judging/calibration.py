"""How predictions of held-out rows compare, bin by bin, with what was observed."""

import numpy as np
import pandas as pd

from cisweep.train.judging.metrics import calibration_table

Row = dict[str, object]


def calibration_rows(heldout: pd.DataFrame, task: str, bins: int = 10) -> list[Row]:
    """Return one row for each task and bin: task, bin, n, mean predicted and mean observed.

    Of labels the bins of the predicted probability are equally wide and the observed mean is the
    share of positives; of values they hold equally many rows.

    Parameters
    ----------
    heldout: columns <name>_observed and <name>_predicted, of labels the logits.
    task: regression, multilabel, multiclass or profile.
    """
    names = [c.removesuffix("_observed") for c in heldout if c.endswith("_observed")]
    predicted = heldout[[f"{n}_predicted" for n in names]].to_numpy(np.float64)
    if task == "multiclass":
        predicted = np.exp(predicted - np.logaddexp.reduce(predicted, axis=1)[:, None])
    elif task == "multilabel":
        predicted = 1 / (1 + np.exp(-predicted))
    rows: list[Row] = []
    for name, guess in zip(names, predicted.T):
        truth = heldout[f"{name}_observed"].to_numpy(np.float64)
        known = ~np.isnan(truth)
        if not known.any():
            continue
        table = calibration_table if task in ("multiclass", "multilabel") else _quantile_table
        rows += [{"task": name} | row for row in table(guess[known], truth[known], bins)]
    return rows


def _quantile_table(predicted: np.ndarray, observed: np.ndarray, bins: int) -> list[Row]:
    parts = np.array_split(np.argsort(predicted, kind="stable"), min(bins, len(predicted)))
    return [
        {
            "bin": b,
            "n": len(rows),
            "predicted": float(predicted[rows].mean()),
            "observed": float(observed[rows].mean()),
        }
        for b, rows in enumerate(parts)
    ]
