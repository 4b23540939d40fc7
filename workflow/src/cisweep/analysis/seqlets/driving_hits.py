"""Matches of the families that drive a target, at the places that they win, and what lies in them.

The step hits finds them; seqlets are named by them. Torch-free.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from cisweep.contracts import stored_name

COVERED = 0.75  # share of a seqlet, or of the hit if it is shorter, that lies in the other

_HITS = ["target", "chrom", "start", "end", "strand", "motif_id", "p_value"]
_RANKING = ["target", "motif", "family", "family_rank"]


@dataclass(frozen=True)
class BestHits:
    """The best match of each query (M,): motif's id "" and p_value 1 for none."""

    motif: np.ndarray
    strand: np.ndarray
    p_value: np.ndarray

    @classmethod
    def none(cls, n: int) -> "BestHits":
        """Return no match of n queries."""
        return cls(np.full(n, "", object), np.full(n, "+", object), np.ones(n))


@dataclass(frozen=True)
class Driving:
    """What the step hits says of the targets; without it no seqlet is named by a hit.

    hits: the matches of families that drive a target, at the places that they win (target, chrom,
    start, end, strand, motif_id, p_value; those of one target never overlap). ranking: the family
    of each motif (target, motif, family, family_rank).
    """

    hits: pd.DataFrame
    ranking: pd.DataFrame

    @classmethod
    def none(cls) -> "Driving":
        """Return what is known without the step hits."""
        return cls(pd.DataFrame(columns=_HITS), pd.DataFrame(columns=_RANKING))

    @classmethod
    def of(
        cls, tables: Iterable[pd.DataFrame], ranking: pd.DataFrame, families: pd.DataFrame
    ) -> "Driving":
        """Return it from the blocks of hits.parquet, motif_ranking.tsv and motif_families.tsv."""
        if "family_rank" not in ranking:  # nothing was attributed
            return cls.none()
        drives = families[families["drives"]][["target", "rank"]].itertuples(index=False, name=None)
        known = set(drives)
        rows = zip(ranking["target"], ranking["family_rank"])
        mine = ranking[[row in known for row in rows]]
        ids = {target: set(part["motif"]) for target, part in mine.groupby("target")}
        found = [
            table[table[best] & table["motif"].isin(motifs)].assign(target=target)
            for table in tables
            for target, motifs in ids.items()
            for best in [f"best_{stored_name(target)}"]
        ]
        hits = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=_HITS)
        return cls(hits.rename(columns={"motif": "motif_id"})[_HITS], ranking[_RANKING])

    @cached_property
    def targets(self) -> list[str]:
        """The targets that any family drives."""
        return sorted(set(self.hits["target"]))

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        ordered = self.hits.sort_values(["start", "end"], kind="stable")
        columns = ["start", "end", "strand", "motif_id", "p_value"]
        return {
            key: {c: mine[c].to_numpy() for c in columns}
            for key, mine in ordered.groupby(["target", "chrom"])
        }

    def _over(self, target: str, span: tuple[str, int, int]) -> Iterator[dict[str, Any]]:
        """Yield the hits that cover COVERED of a span, or of themselves where they are shorter."""
        chrom, start, end = span
        hits = self._by_place.get((target, chrom))
        if hits is None:
            return
        first = int(np.searchsorted(hits["end"], start, side="right"))
        last = int(np.searchsorted(hits["start"], end, side="left"))
        for i in range(first, last):
            a, b = hits["start"][i], hits["end"][i]
            if min(b, end) - max(a, start) >= COVERED * min(end - start, b - a):
                yield {"chrom": chrom} | {name: values[i] for name, values in hits.items()}

    def best(self, target: str, spans: Sequence[tuple[str, int, int]]) -> BestHits:
        """Return the hit with the lowest p-value over each span: chromosome, start, end."""
        found = BestHits.none(len(spans))
        for k, span in enumerate(spans):
            for hit in self._over(target, span):
                if hit["p_value"] < found.p_value[k]:
                    found.motif[k], found.strand[k] = hit["motif_id"], hit["strand"]
                    found.p_value[k] = hit["p_value"]
        return found

    def over(self, seqlets: pd.DataFrame) -> pd.DataFrame:
        """Return chrom, start and end of the hits over seqlets of their target."""
        columns = ["target", "chrom", "start", "end"]
        found = [
            (hit["chrom"], hit["start"], hit["end"])
            for target, *span in seqlets[columns].itertuples(index=False, name=None)
            for hit in self._over(target, (span[0], span[1], span[2]))
        ]
        return pd.DataFrame(found, columns=columns[1:])
