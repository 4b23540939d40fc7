"""The seqlets of motif discovery: called in the central window, read with what lies around it.

A motif that grows beyond what is read is lost to tf-modiscolite, so a short window needs the bases
on both sides of it, which the attributions mostly have.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cisweep.analysis.seqlets.places import Owned, central_calls
from cisweep.analysis.seqlets.recursive_seqlets import run_and_sample
from cisweep.analysis.seqlets.tfmodisco_seqlets import (
    WindowRules,
    call_windows,
    fit_thresholds,
    window_sums,
)
from cisweep.contracts import Windows
from cisweep.products.discover import SEQLETS

SEQLET_COLUMNS = SEQLETS.names()


def call_seqlets(projected: np.ndarray, window: slice, rules: WindowRules) -> pd.DataFrame:
    """Return the seqlets whose spans without flanks lie in `window`, and their sign.

    projected: attributions of the observed bases (N, L), all that is read; window: columns of it.
    Thresholds come from all of L, so that a narrow window around motifs is judged by what lies
    beside it. Columns of `call_windows` (start and end in L), and sign: 1, -1, or 0 where the sum
    is too weak for tf-modiscolite to count it.
    """
    if not len(projected):
        columns = ["example_idx", "start", "end", "attribution", "sign"]
        return pd.DataFrame({name: np.zeros(0, np.int64) for name in columns})
    sums = window_sums(projected, rules)
    thresholds = fit_thresholds(*run_and_sample(sums.reshape(-1)), rules)
    # Windows nearer than a flank to the end of what is given are not called.
    first = max(window.start - rules.flank, 0)
    last = min(window.stop + rules.flank, projected.shape[1])
    called = call_windows(projected[:, first:last], thresholds, rules)
    strong = called["attribution"].abs() > thresholds.weak
    sign = np.where(strong, np.sign(called["attribution"]), 0).astype(np.int64)
    return called.assign(start=called["start"] + first, end=called["end"] + first, sign=sign)


def once_a_place(
    called: pd.DataFrame, windows: Windows, length: int, window: slice, rules: WindowRules
) -> np.ndarray:
    """Return a mask of the seqlets (`call_seqlets`) that counts each place of the genome once.

    windows: of which the sequences hold the central `length` bases; window: where in these seqlets
    are called. A place counts in the sequence in whose window it stands most central. At the border
    of two, seqlets of one sign as near as none of one sequence are (`rules.reach`) are one place.
    """
    begin = windows.centre - length // 2
    span = Windows.build(
        windows.chrom, begin + window.start, begin + window.stop, windows.strand, windows.name
    )
    row = called["example_idx"].to_numpy(np.int64)
    start, end = (begin[row] + called[c].to_numpy(np.int64) for c in ("start", "end"))
    owned = Owned.of(span)
    # In half bases, so that spans around equal centres overlap where starts are within reach.
    middle, half = start + end, rules.reach + 1
    calls = pd.DataFrame(
        {
            "chrom": span.chrom[row],
            "start": middle - half,
            "end": middle + half,
            "sign": called["sign"].to_numpy(),
            "window_start": 2 * span.start[row],
            "window_end": 2 * span.end[row],
            "owned": owned.has(row, start, end),
            "at_border": owned.at_border(row, start, end),
        }
    )
    return central_calls(calls)


def chosen(called: pd.DataFrame, sign: int, min_seqlets: int, max_seqlets: int) -> pd.DataFrame:
    """Return the seqlets of a sign that are clustered: the first ones, or none of too few."""
    mine = called[called["sign"] == sign]
    return mine.head(max_seqlets if len(mine) > min_seqlets else 0)


def seqlet_row(
    called: pd.DataFrame,
    sign: int,
    n_seqlets: Sequence[int],
    projected: np.ndarray,
    window: slice,
    options,
    repeated: int = 0,
) -> dict[str, object]:
    """Return a row of SEQLET_COLUMNS: how many were found and kept, and why no motif came of them.

    n_seqlets: of each motif of this sign; projected: (N, L) attributions of all that is read;
    window: columns of it in which seqlets are called; options: DiscoveryOptions; repeated: seqlets
    left out, since their place belongs to another window.
    """
    length = projected.shape[1]
    found = int((called["sign"] == sign).sum())
    used = chosen(called, sign, options.min_seqlets, options.max_seqlets)
    word = "positive" if sign > 0 else "negative"
    note = ""
    if not found:
        note = f"no span of {options.window_size} bp stands out with {word} attribution"
    elif not len(used):
        least = f"more than steps.discover.min_seqlets = {options.min_seqlets} are needed"
        note = f"there are {found} {word} seqlets, and {least}"
    elif not n_seqlets:
        grown = options.initial_flank_to_add
        short = int(((used["start"] < grown) | (used["end"] + grown > length)).sum())
        note = f"the {len(used)} {word} seqlets do not form a cluster of 20 similar ones"
        if short:
            note += (
                f"; around {short} of them, {grown} bp more on each side reach beyond the "
                f"{length} bp "
                "that are stored (steps.attribute.save_bp)"
            )
    signed = np.maximum(sign * projected[:, window].astype(np.float64), 0).sum(axis=1) * sign
    row = (
        "+" if sign > 0 else "-",
        found,
        repeated,
        len(used),
        sum(n_seqlets),
        len(n_seqlets),
        len(signed),
        float(signed.mean()) if len(signed) else 0.0,
        float(signed.std()) if len(signed) else 0.0,
        note,
    )
    return dict(zip(SEQLET_COLUMNS, row))
