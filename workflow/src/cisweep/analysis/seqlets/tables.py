"""Seqlets of a chunk as a table in genome coordinates. Torch-free."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from cisweep.analysis.seqlets.background import Background, Sign, call
from cisweep.analysis.seqlets.fdr import Calibration, Tally, at_fdr, calibrate
from cisweep.analysis.seqlets.places import Owned, central_calls, count_windows
from cisweep.bases import text_of
from cisweep.contracts import Windows

COLUMNS = ["target", "chrom", "start", "end", "sign", "attribution", "p_value", "sequence",
           "window_start", "window_end", "owned", "at_border"]  # fmt: skip


@dataclass(frozen=True)
class Explained:
    """Windows with a target's projected attributions (N, L), in + orientation, and what of the run
    each window owns."""

    windows: Windows
    owned: Owned
    attributions: np.ndarray

    @classmethod
    def of(cls, windows: Windows, attributions: np.ndarray, among: Windows | None = None) -> Self:
        """Return the windows among all that lie near them (default: they alone)."""
        return cls(windows, Owned.of(windows, among), attributions)

    def take(self, rows: slice) -> Self:
        """Return some of the windows."""
        owned = Owned(self.owned.low[rows], self.owned.high[rows])
        return type(self)(self.windows.take(rows), owned, self.attributions[rows])

    def sides(self, calls: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return which calls (`call`'s columns) are their window's, and which at its border."""
        row = calls["example_idx"].to_numpy(np.int64)
        start, end = (
            self.windows.start[row] + calls[c].to_numpy(np.int64) for c in ("start", "end")
        )
        return self.owned.has(row, start, end), self.owned.at_border(row, start, end)


def call_chunk(
    target: str,
    real: Explained,
    null: Explained,
    tokens: np.ndarray,
    background: Background,
    threshold: float,
    signs: tuple[Sign, ...],
) -> tuple[pd.DataFrame, Tally]:
    """Return a target's lenient calls in a chunk, and the tally of calls and decoys.

    null: shuffled sequences of some of the windows; tokens: (N, L) uint8 of the real ones, in
    + orientation. Rows: COLUMNS, start and end in the genome (0-based half-open), sequence as
    letters of the + strand, owned and at_border: whose the place is (`places.Owned`).

    The tally holds what lies in owned places alone, of windows and of shuffled windows, on as many
    positions: each place of the genome is judged in one window, and has the chance of a false
    call that a place of that window has in shuffled sequence. Calls of all windows together would
    count a strong site as often as it is covered, and beside it the false calls of every window.
    """
    calls = call(real.attributions, background, threshold, signs)
    decoys = call(null.attributions, background, threshold, signs)
    owned, at_border = real.sides(calls)
    sizes = (x.owned.n_positions(x.windows) for x in (real, null))
    tally = Tally.of(calls[owned], decoys[null.sides(decoys)[0]], *sizes)
    windows, row = real.windows, calls["example_idx"].to_numpy(np.int64)
    start, end = calls["start"].to_numpy(np.int64), calls["end"].to_numpy(np.int64)
    table = pd.DataFrame(
        {
            "target": target,
            "chrom": windows.chrom[row],
            "start": windows.start[row] + start,
            "end": windows.start[row] + end,
            "sign": calls["sign"].to_numpy(),
            "attribution": calls["attribution"].to_numpy(np.float64),
            "p_value": calls["p_value"].to_numpy(np.float64),
            "sequence": [text_of(tokens[r, a:b]) for r, a, b in zip(row, start, end)],
            "window_start": windows.start[row],
            "window_end": windows.end[row],
            "owned": owned,
            "at_border": at_border,
        },
        columns=COLUMNS,
    )
    return table, tally


def seqlets_of(
    calls: pd.DataFrame, tally: Tally, fdr: float
) -> tuple[pd.DataFrame, Tally, Calibration]:
    """Return a target's seqlets at a false discovery rate, each place once, and what they rest on.

    calls: those of all chunks (`call_chunk`); tally: of all chunks. Adds q_value and n_windows,
    the number of windows in which a span over the place is called. The tally that comes back
    counts calls over the border of two windows once.
    """
    places = calls[central_calls(calls)].reset_index(drop=True)
    tally = replace(tally, seqlets=Tally.of(places, places, 0, 0).seqlets)
    calibration = calibrate(tally)
    found = at_fdr(places, calibration, fdr)
    return found.assign(n_windows=count_windows(found, calls)), tally, calibration


def in_genome_order(table: pd.DataFrame, chroms: list[str]) -> pd.DataFrame:
    """Return the rows ordered by chromosome (in the genome's order), start, end, target, sign."""
    rank = table["chrom"].map({name: i for i, name in enumerate(chroms)})
    order = np.lexsort(
        (table["window_start"], table["sign"], table["target"], table["end"], table["start"], rank)
    )
    return table.iloc[order].reset_index(drop=True)
