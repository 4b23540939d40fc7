"""What each target makes of each family of motifs: the matrix of families and targets. Torch-free.

Places are the matches that win theirs. Where windows overlap, each base belongs to the window whose
centre is nearest, so that places and attributions count once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.qvalues import known_qvalues
from cisweep.analysis.motifs.target_uses import uses
from cisweep.analysis.seqlets.places import Owned
from cisweep.contracts import Windows
from cisweep.genome.motifs import Motif
from cisweep.products.hits import MOTIF_TARGETS

SIGNS = ("+", "-")


@dataclass
class Won:
    """The matches of one target that win their place, in genome order; added block by block."""

    _parts: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    _chroms: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        chrom: np.ndarray,
        start: np.ndarray,
        end: np.ndarray,
        motif: np.ndarray,
        values: np.ndarray,
    ) -> None:
        """Add matches: place, number of the motif, attribution; those without one are left out."""
        known = np.isfinite(values)
        codes, names = pd.factorize(chrom[known])
        number = np.array([self._chroms.setdefault(n, len(self._chroms)) for n in names], np.int32)
        part = (start[known] + end[known], motif[known].astype(np.int32), values[known])
        self._parts.append((number[codes] if len(names) else codes.astype(np.int32), *part))

    def units(self, windows: Windows, owned: Owned, sums: np.ndarray, family: np.ndarray):
        """Return the places as `uses` takes them, each in the window that owns its centre.

        windows (N): those of the target, in genome order; owned: what each owns; sums: (N, 2) of
        `owned_sums`; family: (M,) of each motif.
        """
        none = (np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0))
        parts = zip(*self._parts) if self._parts else [[x] for x in none]
        chrom, twice, motif, value = (np.concatenate(part) for part in parts)
        unit = np.full(len(chrom), -1)
        codes = np.array([self._chroms.get(name, -1) for name in windows.chrom], dtype=np.int64)
        for number in np.unique(chrom):
            rows = np.flatnonzero((codes == number) & (owned.low < owned.high))
            rows = rows[np.argsort(owned.high[rows], kind="stable")]
            mine = np.flatnonzero(chrom == number)
            at = np.searchsorted(owned.high[rows], twice[mine], side="left")
            inside = at < len(rows)
            unit[mine[inside]] = rows[at[inside]]
        kept = (unit >= 0) & (value != 0)
        unit, value = unit[kept], value[kept]
        return pd.DataFrame(
            {
                "kind_idx": family[motif[kept]],
                "sign": np.where(value > 0, *SIGNS),
                "unit": unit,
                "attribution": value,
                "around": sums[unit, np.where(value > 0, 0, 1)],
            }
        )


def owned_sums(windows: Windows, owned: Owned, values: np.ndarray) -> np.ndarray:
    """Return (N, 2): what the bases that each window owns add up to, above 0 and below.

    windows: N, and what each owns; values: (N, L), attributions of the observed bases.
    """
    twice = 2 * (windows.start[:, None] + np.arange(values.shape[1])) + 1
    mine = (owned.low[:, None] < twice) & (twice <= owned.high[:, None])
    own = np.where(mine, values, 0.0).astype(np.float64)
    return np.stack([np.maximum(own, 0).sum(axis=1), np.minimum(own, 0).sum(axis=1)], axis=1)


@dataclass(frozen=True)
class ExplainedTarget:
    """A target of a model and the windows at which it is explained (`target_uses.Searched`)."""

    model: str
    target: str
    n_windows: int
    attribution: dict[str, float]
    attribution_sd: dict[str, float]

    @classmethod
    def of(cls, model: str, target: str, sums: np.ndarray) -> "ExplainedTarget":
        """Return it from the sums of its windows (N, 2), above 0 and below."""
        mean, sd = (sums.mean(axis=0), sums.std(axis=0)) if len(sums) else np.zeros((2, 2))
        return cls(model, target, len(sums), *(dict(zip(SIGNS, x.tolist())) for x in (mean, sd)))


def family_target_table(
    motifs: Sequence[Motif],
    family: np.ndarray,
    explained: np.ndarray,
    sure: np.ndarray,
    targets: Iterable[tuple[ExplainedTarget, pd.DataFrame]],
    seed: int,
) -> pd.DataFrame:
    """Return a row of MOTIF_TARGETS for each family, target and sign that has a place.

    motifs (M), their family; explained: (M,) sum over targets of |attribution of the places that a
    motif wins|, by which a family is named and ordered; sure: numbers of the families that drive or
    lower any target, of whose rows alone q is taken (hundreds of families without an effect would
    leave none of the deals' p small enough); targets: each with its places.
    """
    given = list(targets)
    if not given:
        return pd.DataFrame(columns=MOTIF_TARGETS.names())
    rows = uses([of for of, _ in given], [units for _, units in given], seed, "motif_targets")
    judged = rows["kind_idx"].isin(sure).to_numpy()
    p_value = np.where(judged, rows["p_value"].to_numpy(float), np.nan)
    rows = rows.assign(q_value=known_qvalues(p_value))
    lead: dict[int, int] = {}
    for i in np.argsort(-explained, kind="stable").tolist():
        lead.setdefault(int(family[i]), i)
    total = np.bincount(family, weights=explained, minlength=max(lead, default=-1) + 1)
    place = np.argsort(np.argsort(-total, kind="stable"), kind="stable")
    order = {of.target: i for i, (of, _) in enumerate(given)}
    keys = [place[rows["kind_idx"].to_numpy(int)], rows["target"].map(order).to_numpy()]
    rows = rows.iloc[np.lexsort([rows["sign"].to_numpy(str), *keys[::-1]])]
    leading = [motifs[lead[k]] for k in rows["kind_idx"]]
    return rows.assign(family=[m.factor for m in leading], motif=[m.name for m in leading])[
        MOTIF_TARGETS.names()
    ].reset_index(drop=True)
