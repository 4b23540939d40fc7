"""q-values of seqlets, against seqlets that the same procedure calls without signal.

Decoys are the seqlets called, with the background of the real set, on attributions of sequences
without signal: shuffled ones as a rule. A seqlet's score is its p-value (the lower the better).
At a threshold t the false discovery rate is estimated as

    (decoys with p <= t, + 1) x (positions of the real set / positions of the null) / seqlets

and the q-value is the lowest estimate at which the seqlet is still called. With decoys that are
exchangeable with false seqlets, calling q <= alpha holds the expected share of false calls at
or below alpha; the added one makes that so for few decoys too (Barber and Candes 2015).
The estimate is tangermeme's; the calls are made once and cut, not made again per threshold.

Tallies (counts of p-values on a fixed grid of 8 mantissa bits, so that p-values closer than
0.4 % may share a q-value) merge exactly over chunks, in any order.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cisweep.analysis.seqlets.background import SIGNS
from cisweep.analysis.seqlets.grid_counts import GridCounts, merge_counts, on_grid
from cisweep.analysis.seqlets.spans import as_attributions
from cisweep.errors import AttributionError, ProductError

_BITS = 8
_NULL_WINDOWS = 40
"""Shuffled windows that there are at least, in units of 1 / fdr. One seqlet in ten windows, where
no decoy is as good, then has a rate of (1 / 40) x fdr x 10, a quarter of what is asked."""
_ENOUGH = 400
"""Shuffled windows beyond which more are not explained, in the same units, however many windows the
run has. One seqlet in ten windows then has (400 / 10) decoys at the rate that is asked for, whose
number varies by a sixth."""
_SHARED = 200
"""Shuffled windows of all targets together, in the same units, that _NULL_WINDOWS of each may not
exceed: a model of fifty targets has two shuffles of each of a target's forty peaks."""


@dataclass(frozen=True)
class NullSize:
    """Of how many windows shuffled copies are explained, and how many of each.

    draws: shuffles of a window; fraction: share of the windows that are drawn, by their
    coordinates.
    """

    draws: int
    fraction: float

    @classmethod
    def of(cls, n_windows: int, fdr: float, most: int, n_targets: int = 1) -> "NullSize":
        """Return the size of the null of a target at `n_windows` windows, about `most` at the most;
        n_targets: as many targets share what is explained at the least."""
        least = min(_NULL_WINDOWS, _SHARED / max(n_targets, 1))
        wanted, enough = (min(math.ceil(x / fdr), most) for x in (least, _ENOUGH))
        draws = max(1, min(math.ceil(wanted / max(n_windows, 1)), most // max(n_windows, 1)))
        share = min(1.0, enough / max(n_windows, 1))
        # Two digits, so that a few windows more or less do not make every shuffle anew.
        digits = 1 - math.floor(math.log10(share))
        return cls(draws, math.floor(share * 10**digits + 1e-9) / 10**digits)


def within_sequence_null(attributions: Any, n: int = 1, random_state: int = 0) -> np.ndarray:
    """Return attributions (n * N, L) whose positions are permuted within each sequence.

    The null for a set without attributions of shuffled sequences: that high attributions do not
    cluster. It says nothing of what shuffled sequence would give, and where noise is correlated
    along the sequence it is too lenient. Draw i uses one permutation of the positions, seeded
    by (random_state, i), for every sequence, so the null of a sequence does not depend on its
    chunk. Rows of draw 0 come first.
    """
    values = as_attributions(attributions, "attributions")
    draws = [
        np.random.default_rng([random_state, i]).permutation(values.shape[1]) for i in range(n)
    ]
    return np.concatenate([values[:, order] for order in draws])


@dataclass(frozen=True)
class Tally:
    """How many seqlets and decoys have which p-value, by sign, and on how many positions."""

    seqlets: Mapping[str, GridCounts]
    decoys: Mapping[str, GridCounts]
    n_positions: int
    n_null_positions: int

    @classmethod
    def of(
        cls, calls: pd.DataFrame, decoys: pd.DataFrame, n_positions: int, n_null_positions: int
    ) -> "Tally":
        """Return the tally of one chunk: two tables of `call`, sizes of the two arrays."""
        return cls(_by_sign(calls), _by_sign(decoys), n_positions, n_null_positions)

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as plain numbers, ready for json.dumps(..., sort_keys=True)."""
        fields: dict[str, Any] = {
            "n_positions": self.n_positions,
            "n_null_positions": self.n_null_positions,
        }
        for name, parts in (("seqlets", self.seqlets), ("decoys", self.decoys)):
            for sign in SIGNS:
                points = parts[sign].values.tolist(), parts[sign].counts.tolist()
                fields[f"{name}{sign}"] = {"p": points[0], "counts": points[1]}
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Tally":
        """Return the tally that `to_dict` described."""
        try:
            seqlets, decoys = (
                {sign: _counts(fields[f"{name}{sign}"]) for sign in SIGNS}
                for name in ("seqlets", "decoys")
            )
            return cls(seqlets, decoys, fields["n_positions"], fields["n_null_positions"])
        except (KeyError, TypeError) as error:
            raise ProductError(
                f"not a tally of seqlets ({error})", mend="delete the file and run again"
            ) from error


def _counts(fields: Mapping[str, list]) -> GridCounts:
    p, counts = np.asarray(fields["p"], np.float64), np.asarray(fields["counts"], np.int64)
    return GridCounts(p, counts, _BITS)


def _by_sign(calls: pd.DataFrame) -> dict[str, GridCounts]:
    p, sign = calls["p_value"].to_numpy(np.float64), calls["sign"].to_numpy()
    return {s: GridCounts.of(p[sign == s], _BITS) for s in SIGNS}


def merge_tallies(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of all chunks of one target; ProductError if there is none."""
    merged = None
    for part in tallies:
        merged = part if merged is None else _joined(merged, part)
    if merged is None:
        raise ProductError("there are no tallies to merge", mend="pass at least one")
    return merged


def _joined(left: Tally, right: Tally) -> Tally:
    return Tally(
        {sign: merge_counts([left.seqlets[sign], right.seqlets[sign]]) for sign in SIGNS},
        {sign: merge_counts([left.decoys[sign], right.decoys[sign]]) for sign in SIGNS},
        left.n_positions + right.n_positions,
        left.n_null_positions + right.n_null_positions,
    )


@dataclass(frozen=True)
class Calibration:
    """The q-value as a step function of the p-value, by sign: `p` ascending, `q` not falling."""

    p: Mapping[str, np.ndarray]
    q: Mapping[str, np.ndarray]

    def q_values(self, calls: pd.DataFrame) -> np.ndarray:
        """Return the q-value of each row of a table of `call`, float64."""
        q = np.ones(len(calls))
        scores = on_grid(calls["p_value"].to_numpy(np.float64), _BITS)
        sign = calls["sign"].to_numpy()
        for s in SIGNS:
            rows = sign == s
            at = np.searchsorted(self.p[s], scores[rows], side="left")
            if rows.any() and (at >= len(self.p[s])).any():
                raise ProductError(
                    "seqlets that are not in the tally cannot have a q-value",
                    mend="calibrate on tallies of the same calls",
                )
            q[rows] = self.q[s][at]
        return q


def calibrate(tally: Tally) -> Calibration:
    """Return the q-values that follow from a (merged) tally.

    Raises AttributionError where seqlets were called but the null has no positions.
    """
    if tally.n_null_positions == 0 and any(tally.seqlets[sign].n for sign in SIGNS):
        raise AttributionError(
            "there is no null to estimate a false discovery rate from",
            mend="pass attributions of shuffled sequences, or within_sequence_null",
        )
    scale = tally.n_positions / max(tally.n_null_positions, 1)
    steps, levels = {}, {}
    for sign in SIGNS:
        p = tally.seqlets[sign].values
        called, decoys = tally.seqlets[sign].up_to(p), tally.decoys[sign].up_to(p)
        estimate = np.minimum((decoys + 1) * scale / np.maximum(called, 1), 1.0)
        steps[sign] = p
        levels[sign] = np.minimum.accumulate(estimate[::-1])[::-1]
    return Calibration(steps, levels)


def at_fdr(calls: pd.DataFrame, calibration: Calibration, fdr: float = 0.1) -> pd.DataFrame:
    """Return the calls with q_value <= `fdr`, with that column, in the order given."""
    if not 0 < fdr <= 1:
        raise AttributionError(f"fdr must be above 0 and at most 1, got {fdr}", where="fdr")
    q = calibration.q_values(calls)
    return calls.assign(q_value=q)[q <= fdr].reset_index(drop=True)


def summarise_calls(tally: Tally, calibration: Calibration, fdr: float) -> pd.DataFrame:
    """Return one row per sign: how many spans were called, in sequence and in shuffled sequence.

    Columns: sign, n_called, n_decoys (spans whose sub-spans all pass the threshold), null_ratio
    (shuffled positions for each position), n_seqlets (called at `fdr`), lowest_rate (the lowest
    false discovery rate that any threshold reaches; NaN without calls).
    """
    rows = []
    for sign in SIGNS:
        called, q = tally.seqlets[sign], calibration.q[sign]
        ratio = tally.n_null_positions / max(tally.n_positions, 1)
        kept = int(called.counts[q <= fdr].sum())
        lowest = float(q.min()) if len(q) else np.nan
        rows.append((sign, called.n, tally.decoys[sign].n, ratio, kept, lowest))
    columns = ["sign", "n_called", "n_decoys", "null_ratio", "n_seqlets", "lowest_rate"]
    return pd.DataFrame(rows, columns=columns)
