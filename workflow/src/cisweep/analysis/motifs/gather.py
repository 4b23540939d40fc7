"""From the chunks' hits to one table: q-values, overlaps resolved, motifs ranked. Torch-free."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.chunk import UNIT
from cisweep.analysis.motifs.family_targets import Won
from cisweep.analysis.motifs.hits import HitSums, resolve_overlaps
from cisweep.analysis.motifs.qvalues import CellQValues
from cisweep.analysis.motifs.ranking import Ranking, TargetSums, rank_motifs
from cisweep.contracts import stored_name
from cisweep.genome.motifs import Motif


@dataclass
class HitGather:
    """Adds q-values and winners to hits that come block by block in genome order, and sums up.

    units: target -> the unit of its attributions, by which targets can be compared; those that it
    does not name have one of their own.
    """

    motifs: list[Motif]
    q_values: CellQValues
    targets: list[str]
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sums = {t: HitSums.zeros(len(self.motifs)) for t in self.targets}
        self.places = {t: HitSums.zeros(len(self.motifs)) for t in self.targets}
        self.largest = dict.fromkeys(self.targets, 0.0)
        self.won = {t: Won() for t in self.targets}
        self._names = np.array([m.name for m in self.motifs], dtype=object)
        self._alt = np.array([m.factor for m in self.motifs], dtype=object)

    def rows(self, tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Yield finished blocks. A block ends where no hit reaches over, so that the winner of
        overlapping hits does not depend on the blocks."""
        for block in at_gaps(tables):
            yield self._finish(block)

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
            attribution = table[f"attribution_{stored_name(target)}"].to_numpy()
            values = np.rint(attribution / UNIT) * UNIT
            self.sums[target].add(index, values)
            fit = np.abs(table[f"projection_{stored_name(target)}"].to_numpy())
            best = resolve_overlaps(hits, fit, self._names.tolist(), sequence)
            self.places[target].add(index[best], values[best])
            spans = (table[name].to_numpy()[best] for name in ("chrom", "start", "end"))
            self.won[target].add(*spans, index[best], values[best])
            most = float(np.nanmax(np.abs(attribution[best]), initial=0.0))
            self.largest[target] = max(self.largest[target], most)
            table[f"best_{stored_name(target)}"] = best
        return table

    def selected(self, tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Yield the rows that lie in an explained window: they have an attribution."""
        for table in tables:
            known = np.zeros(len(table), dtype=bool)
            for target in self.targets:
                known |= table[f"attribution_{stored_name(target)}"].notna().to_numpy()
            yield table[known]

    def winners(self, tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Yield, of finished blocks, the hits that a browser shows: one a place.

        Of the hits that win their place for some target each stands for the target on which its
        effect is largest, |attribution| over the largest one of all targets of that unit; where
        such hits overlap the larger effect takes the place. Adds target, attribution (on it)
        and effect (0 to 1). Without attributions the lower p-value takes the place, and there is
        no target. Call it once `rows` is through.
        """
        number = {m.name: i for i, m in enumerate(self.motifs)}
        unit = {t: self.units.get(t, t) for t in self.targets}
        largest: dict[str, float] = {}
        for t in self.targets:
            largest[unit[t]] = max(largest.get(unit[t], 0.0), self.largest[t])
        for table in at_gaps(tables):
            effect = np.full((len(self.targets), len(table)), np.nan)
            for row, target in zip(effect, self.targets):
                best = table[f"best_{stored_name(target)}"].to_numpy(bool)
                size = np.abs(table[f"attribution_{stored_name(target)}"].to_numpy()[best])
                row[best] = np.nan_to_num(size / (largest[unit[target]] or 1.0))
            table = table.assign(motif_idx=table["motif"].map(number))
            if self.targets:
                table = self._of_targets(table, effect)
            hits = table[["motif_idx", "strand", "start", "end", "p_value"]].to_records(index=False)
            _, sequence = np.unique(table["chrom"].to_numpy(str), return_inverse=True)
            fit = table["effect"].to_numpy() if self.targets else np.full(len(table), np.nan)
            yield table[resolve_overlaps(hits, fit, self._names.tolist(), sequence)]

    def _of_targets(self, table: pd.DataFrame, effect: np.ndarray) -> pd.DataFrame:
        """Return the hits that win a place, each with the target of its largest effect (T, N)."""
        wins = np.isfinite(effect).any(axis=0)
        table, effect = table[wins].reset_index(drop=True), effect[:, wins]
        which = np.nan_to_num(effect, nan=-1.0).argmax(axis=0)
        values = np.stack([table[f"attribution_{stored_name(t)}"].to_numpy() for t in self.targets])
        every = np.arange(len(table))
        return table.assign(
            target=np.array(self.targets, dtype=object)[which],
            attribution=values[which, every],
            effect=effect[which, every],
        )

    @property
    def explained(self) -> np.ndarray:
        """(M,) sum over targets of what the places that each motif wins explain, without sign."""
        return sum((np.abs(p.total) for p in self.places.values()), np.zeros(len(self.motifs)))

    def ranking(
        self,
        null: dict[str, HitSums],
        families: np.ndarray,
        null_share: float = 1.0,
        formed: np.ndarray | None = None,
    ) -> Ranking:
        """Return what drives each target; null: target -> sums of the motifs' copies, in a share of
        the places (`null_sample.NullSample`); formed: as `rank_motifs` takes it."""
        return Ranking.joined(
            rank_motifs(
                self.motifs,
                TargetSums(self.sums[t], self.places[t], null[t], null_share),
                families,
                target=t,
                formed=formed,
            )
            for t in self.targets
        )


def at_gaps(tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield the rows of tables in genome order, in blocks that end where no hit reaches over."""
    held: list[pd.DataFrame] = []
    for table in tables:
        if not len(table):
            continue
        held.append(table)
        joined = pd.concat(held, ignore_index=True)
        cut = _last_gap(joined)
        if cut:
            yield joined.iloc[:cut].reset_index(drop=True)
        held = [joined.iloc[cut:].reset_index(drop=True)]
    yield from (table for table in held if len(table))


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
