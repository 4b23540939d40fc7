"""What variants need from all chunks: pooled nulls, q-values, ranks among peaks. Torch-free."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cisweep.analysis.variants.scores import NullPool, active_allele_quantile


class VariantGather:
    """Adds active_allele_quantile, p_value and q_value to tables of effects.

    Use it in two passes over the same tables: `count` each of them, then `finish` each. Memory does
    not grow with the number of variants.

    Parameters
    ----------
    targets: names of the targets, which alternate in the rows of each table.
    nulls: the merged pool; empty for no p-values.
    peaks: target -> (n,) predictions for peaks; without them the quantile is NaN.
    """

    def __init__(self, targets: Sequence[str], nulls: NullPool, peaks: dict[str, np.ndarray]):
        self.targets, self.nulls, self.peaks = list(targets), nulls, peaks
        self._counts: np.ndarray = np.zeros((len(self.targets), len(nulls.keys) + 1), np.int64)

    def _exceeding(self, table: pd.DataFrame) -> np.ndarray:
        return self.nulls.exceeding(table["delta"].to_numpy().reshape(-1, len(self.targets)))

    def count(self, table: pd.DataFrame) -> None:
        """Take note of how many nulls exceed each effect (first pass)."""
        if len(self.nulls.keys):
            self._counts += self.nulls.counts(self._exceeding(table))

    def finish(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with the three columns (second pass)."""
        n = len(self.targets)
        shape = (len(table) // n, n)
        p = q = np.full(shape, np.nan)
        if len(self.nulls.keys):
            exceeding = self._exceeding(table)
            p = self.nulls.p_values(exceeding)
            q = self.nulls.q_values(exceeding, self._counts)
        ref, alt = (table[f"prediction_{a}"].to_numpy().reshape(shape) for a in ("ref", "alt"))
        rank = np.full(shape, np.nan)
        for t, name in enumerate(self.targets):
            if len(self.peaks.get(name, ())):
                rank[:, t] = active_allele_quantile(ref[:, t], alt[:, t], self.peaks[name])
        return table.assign(
            active_allele_quantile=rank.astype(np.float32).ravel(),
            p_value=p.astype(np.float32).ravel(),
            q_value=q.astype(np.float32).ravel(),
        )


class Strongest:
    """Keeps the rows with the n largest |delta| of each target, whatever their order."""

    def __init__(self, n: int):
        self.n, self._kept = n, pd.DataFrame()

    def add(self, table: pd.DataFrame) -> None:
        """Take rows of a table of effects."""
        if self.n:
            both = pd.concat([self._kept, table], ignore_index=True) if len(self._kept) else table
            self._kept = self._first(both)

    def _first(self, table: pd.DataFrame) -> pd.DataFrame:
        # Ties are broken by place, so that chunking cannot change which rows are kept.
        key = table.assign(_size=-table["delta"].abs())
        by = ["target", "_size", "chrom", "pos", "ref", "alt"]
        return key.sort_values(by).groupby("target", sort=False).head(self.n).drop(columns="_size")

    @property
    def table(self) -> pd.DataFrame:
        """The kept rows, by target, the strongest first."""
        return self._kept.reset_index(drop=True)


def volcano_axes(table: pd.DataFrame) -> tuple[np.ndarray, str, np.ndarray, str]:
    """Return (effect, its name, significance, its name) of the rows of one target.

    The effect is the log2 fold change where the target has one. The second axis is the p-value, and
    without nulls the active allele quantile, and without peaks the larger of the two predictions.
    """
    if table["log2fc"].notna().any():
        effect, name = table["log2fc"].to_numpy(), "log2 fold change"
    else:
        effect, name = table["delta"].to_numpy(), f"difference ({table['scale'].iloc[0]})"
    if table["p_value"].notna().any():
        return effect, name, -np.log10(table["p_value"].to_numpy()), "-log10 p"
    if table["active_allele_quantile"].notna().any():
        rank = table["active_allele_quantile"].to_numpy()
        return effect, name, rank, "active allele quantile"
    larger = table[["prediction_ref", "prediction_alt"]].max(axis=1).to_numpy()
    return effect, name, larger, "prediction of the more active allele"


def volcano_title(table: pd.DataFrame, target: str, q: float = 0.05) -> str:
    """Return the target's name, and with q-values how many of its rows are below `q`."""
    if not len(table) or table["q_value"].isna().all():
        return target
    return f"{target}: {int((table['q_value'] < q).sum()):,} of {len(table):,} with q < {q}"
