"""From the chunks' hits to one table: q-values, overlaps resolved, motifs ranked. Torch-free."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.chunk import UNIT
from cisweep.analysis.motifs.hits import HitSums, rank_motifs, resolve_overlaps
from cisweep.analysis.motifs.qvalues import CellQValues
from cisweep.genome.motifs import Motif


@dataclass
class HitGather:
    """Adds q-values and winners to hits that come block by block in genome order, and sums up."""

    motifs: list[Motif]
    q_values: CellQValues
    targets: list[str]

    def __post_init__(self) -> None:
        self.sums = {t: HitSums.zeros(len(self.motifs)) for t in self.targets}
        self._names = np.array([m.name for m in self.motifs], dtype=object)
        self._alt = np.array([m.alt or m.name for m in self.motifs], dtype=object)

    def rows(self, tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Yield finished blocks. A block ends where no hit reaches over, so that the winner of
        overlapping hits does not depend on the blocks."""
        held: list[pd.DataFrame] = []
        for table in tables:
            if not len(table):
                continue
            held.append(table)
            joined = pd.concat(held, ignore_index=True)
            cut = _last_gap(joined)
            if cut:
                yield self._finish(joined.iloc[:cut].reset_index(drop=True))
            held = [joined.iloc[cut:].reset_index(drop=True)]
        for table in held:
            if len(table):
                yield self._finish(table)

    def _finish(self, table: pd.DataFrame) -> pd.DataFrame:
        index = table["motif_idx"].to_numpy()
        per_motif, pooled = self.q_values.of(index, table["score"].to_numpy())
        table = table.assign(
            motif=self._names[index],
            name=self._alt[index],
            q_value=per_motif,
            q_value_pooled=pooled,
        )
        hits = table[["motif_idx", "strand", "start", "end", "p_value"]].to_records(index=False)
        _, sequence = np.unique(table["chrom"].to_numpy(str), return_inverse=True)
        for target in self.targets:
            values = table[f"attribution_{target}"].to_numpy()
            self.sums[target].add(index, np.rint(values / UNIT) * UNIT)
            cosine = table[f"cosine_{target}"].to_numpy()
            table[f"best_{target}"] = resolve_overlaps(hits, cosine, self._names.tolist(), sequence)
        return table

    def ranking(self, null: dict[str, HitSums], families: np.ndarray) -> pd.DataFrame:
        """Return the motifs of each target, ranked by mean attribution per hit."""
        tables = [
            rank_motifs(self.motifs, self.sums[t], null[t], families, target=t)
            for t in self.targets
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"target": []})


def _last_gap(table: pd.DataFrame) -> int:
    """Return the last row that starts where no hit before it reaches (0: none does)."""
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    new_chrom = np.r_[True, table["chrom"].to_numpy()[1:] != table["chrom"].to_numpy()[:-1]]
    group = np.cumsum(new_chrom)
    # The furthest end so far, within each chromosome: offsets keep chromosomes apart.
    span = int(end.max()) + 1
    reach = np.maximum.accumulate(end + group * span) - group * span
    gap = new_chrom.copy()
    gap[1:] |= start[1:] >= reach[:-1]
    rows = np.flatnonzero(gap)
    return int(rows[-1])


def merge_sums(parts: Iterable[HitSums]) -> HitSums:
    """Return the sums over all chunks; exact, so in any order."""
    merged = None
    for part in parts:
        if merged is None:
            merged = HitSums(part.count.copy(), part.total.copy())
        else:
            merged.count += part.count
            merged.total += part.total
    return merged if merged is not None else HitSums.zeros(0)
