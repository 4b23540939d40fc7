"""What drives each target: families of motifs and their members in one order. Torch-free.

The one ranking of a run. Its order is by what explains most attribution, each place of the genome
counted once (`resolve_overlaps`); its evidence is a comparison of the mean attribution of a match
with that of matrices whose columns are shuffled. Relatives stand together, since the bases of a
site can rarely tell them apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.hits import HitSums
from cisweep.analysis.motifs.qvalues import known_qvalues
from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif
from cisweep.steps.hits import DRIVES


@dataclass(frozen=True)
class Ranking:
    """Two tables in one order, target by target.

    families, one row a family: target, rank (1 = explains most), family (its name, that of its
    leading member), motif (the leading member's id), members (names of those with p and q, of all
    where none has; joined by ;, in their order, each once), n_motifs (all), n_places (places that a
    member's match wins), explained (their summed attribution, in the target's unit), mean (a
    place), q_value (the lowest of its members), drives (q_value at most DRIVES, and the family's
    own places do more than copies do: places_p_value at most DRIVES), lowers_q_value,
    places_p_value (of the side on which the places' mean lies, above or below that of the copies;
    missing with fewer than `min_hits` places),
    lowers (lowers_q_value and places_p_value at most DRIVES, explained below 0).

    motifs, one row a matrix, in the order of the families and within a family by what it explains:
    target, rank, family_rank, family, motif (id), name, n_hits (all matches), mean, sum (of their
    attributions), n_places, explained, null_mean (mean of the matches of the motif's copies), z,
    p_value, q_value, lowers_p_value, lowers_q_value. p, q and z are missing with fewer than
    `min_hits` matches.
    """

    families: pd.DataFrame
    motifs: pd.DataFrame

    @classmethod
    def joined(cls, parts: Iterable["Ranking"]) -> "Ranking":
        """Return the rankings of several targets, one below the other."""
        found = list(parts)
        if not found:  # nothing was attributed
            return cls(pd.DataFrame({"target": []}), pd.DataFrame({"target": []}))
        return cls(
            pd.concat([part.families for part in found], ignore_index=True),
            pd.concat([part.motifs for part in found], ignore_index=True),
        )


@dataclass(frozen=True)
class TargetSums:
    """A target's sums over hits: `hits`, those of each motif (M); `places`, of the hits that win
    their place (M); `null`, those of n column-shuffled copies each, motif by motif (M * n), in the
    share `null_share` of the places."""

    hits: HitSums
    places: HitSums
    null: HitSums
    null_share: float = 1.0


def rank_motifs(
    motifs: Sequence[Motif],
    sums: TargetSums,
    families: np.ndarray,
    *,
    target: str = "",
    min_hits: int = 5,
    formed: np.ndarray | None = None,
) -> Ranking:
    """Return the families and motifs of one target, by what they explain of its attributions.

    Parameters: `motifs` (M); `families` (M,) from `motif_families`; `min_hits`, motifs with fewer
    hits come last in their family, without p and q; `formed` (M,) bool, motifs that were formed
    from the attributions that rank them (None: none): they have no p and q, since any motif formed
    in this way would stand above shuffled copies, and their copies are none of the null. They win
    places, for themselves and their families. Families go by `explained`, those without any
    p last; members by `explained`, then mean; ties by the motif's id. Raises MotifError when
    lengths disagree.

    p_value of a motif is one-sided: the share of all copies of all motifs (those with at least
    `min_hits` hits) whose hits raise the target as much, (r + 1) / (N + 1), by the mean that
    `min_hits` hits of the null's mean shrink. z is its normal quantile, (r + 1/2) / (N + 1),
    q_value that of Benjamini & Hochberg over the motifs. Copies keep a motif's bases and lose its
    word; pooled, since single motifs would need thousands of copies; ranked, since the means of
    copies have tails far beyond a normal's or t's (a copy may hold another motif's word). Copies
    that were looked for in a share of the places are shrunken by min_hits times that share; theirs
    are means of fewer hits, which spread more, so that p is at most too large.
    lowers_p_value and lowers_q_value are the same of the other side: hits that lower the target.

    All matches of a motif count for its p, also those inside the sites of another family. So a
    family drives a target, or lowers it, only if the places that it wins itself are as far from the
    copies' hits: places_p_value, their mean ranked in the same way.
    The rate that q keeps is that of motifs: where nothing drives a target the lowest q of all is at
    most DRIVES with that probability, for families as for motifs; beside a family with many members
    above chance a false one is as likely as a false motif.
    """
    _check_lengths(motifs, sums, families)
    formed = np.zeros(len(motifs), dtype=bool) if formed is None else formed
    sums = replace(sums, null=_without(sums.null, formed))
    copies = _Copies.of(sums.null, min_hits, sums.null_share)
    p_value, z = (np.where(formed, np.nan, found) for found in copies.above(sums.hits))
    lowers_p_value = np.where(formed, np.nan, copies.below(sums.hits))
    table = pd.DataFrame(
        {
            "target": target,
            "motif": [m.name for m in motifs],
            "name": [m.factor for m in motifs],
            "n_hits": sums.hits.count,
            "mean": sums.hits.mean,
            "sum": sums.hits.total,
            "n_places": sums.places.count,
            "explained": sums.places.total,
            "null_mean": _of_copies(sums.null, len(motifs)).mean,
            "z": z,
            "p_value": p_value,
            "q_value": known_qvalues(p_value),
            "lowers_p_value": lowers_p_value,
            "lowers_q_value": known_qvalues(lowers_p_value),
            "family_idx": families,
            "judged": sums.hits.count >= min_hits,
        }
    ).sort_values(["judged", "explained", "mean", "motif"], ascending=[False, False, False, True])
    found = _families(table, target, copies)
    table = table.merge(found[["family_idx", "rank", "family"]], on="family_idx")
    table = table.rename(columns={"rank": "family_rank"}).sort_values("family_rank", kind="stable")
    table.insert(1, "rank", np.arange(1, len(table) + 1))
    places = {"family_rank": 2, "family": 3}
    for column, at in places.items():
        table.insert(at, column, table.pop(column))
    return Ranking(
        found.drop(columns="family_idx").reset_index(drop=True),
        table.drop(columns=["family_idx", "judged"]).reset_index(drop=True),
    )


def _families(table: pd.DataFrame, target: str, copies: "_Copies") -> pd.DataFrame:
    """Return one row a family, the first one first; table: the motifs, the first member first."""
    rows = []
    # Arrays, since a table of its own for each of hundreds of families takes seconds.
    part = {name: table[name].to_numpy() for name in table}
    family, known = pd.factorize(table["family_idx"])
    order = np.argsort(family, kind="stable")
    bounds = np.searchsorted(family[order], np.arange(len(known) + 1))
    for idx, begin, end in zip(known, bounds, bounds[1:]):
        mine = order[begin:end]
        n, explained = int(part["n_places"][mine].sum()), float(part["explained"][mine].sum())
        judged = mine[part["judged"][mine]]
        names = list(dict.fromkeys(part["name"][judged if len(judged) else mine]))
        rows.append(
            {
                "family_idx": idx,
                "target": target,
                "family": names[0],
                "motif": part["motif"][mine[0]],
                "members": ";".join(names),
                "n_motifs": len(mine),
                "n_places": n,
                "explained": explained,
                "mean": explained / n if n else np.nan,
                "q_value": np.fmin.reduce(part["q_value"][mine]),
                "lowers_q_value": np.fmin.reduce(part["lowers_q_value"][mine]),
            }
        )
    columns = ["family_idx", "target", "family", "motif", "members", "n_motifs", "n_places",
               "explained", "mean", "q_value", "lowers_q_value"]  # fmt: skip
    found = pd.DataFrame(rows, columns=columns)
    places = HitSums(found["n_places"].to_numpy(np.int64), found["explained"].to_numpy(float))
    found["places_p_value"] = copies.outward(places)
    own = found["places_p_value"] <= DRIVES
    found["drives"] = (found["q_value"] <= DRIVES) & own & (found["explained"] > 0)
    found["lowers"] = (found["lowers_q_value"] <= DRIVES) & own & (found["explained"] < 0)
    found = found.assign(judged=found["q_value"].notna()).sort_values(
        ["judged", "explained", "motif"], ascending=[False, False, True], kind="stable"
    )
    found.insert(2, "rank", np.arange(1, len(found) + 1))
    return found.drop(columns="judged").reset_index(drop=True)


def _check_lengths(motifs: Sequence[Motif], sums: TargetSums, families: np.ndarray) -> None:
    n = len(motifs)
    lengths = [len(part.count) for part in (sums.hits, sums.places)]
    copies = len(sums.null.count) // max(n, 1)
    if {*lengths, len(families)} != {n} or len(sums.null.count) != n * copies:
        raise MotifError(
            f"{n} motifs, sums of {lengths[0]} and {lengths[1]}, null sums of "
            f"{len(sums.null.count)}, families of {len(families)}",
            where="rank_motifs",
            mend="give one entry a motif, and the same number of copies of each",
        )
    if copies < 2:
        raise MotifError(
            f"{copies} shuffled copies of each motif",
            where="rank_motifs",
            mend="give at least 2 (steps.hits.null_copies)",
        )


def _without(null_sums: HitSums, formed: np.ndarray) -> HitSums:
    """Return the sums of copies, none of those of motifs that were formed here."""
    kept = ~np.repeat(formed, len(null_sums.count) // max(len(formed), 1))
    return HitSums(null_sums.count * kept, null_sums.total * kept)


def _of_copies(null_sums: HitSums, n_motifs: int) -> HitSums:
    """Return the sums (n_motifs) over each motif's copies."""
    count, total = (x.reshape(n_motifs, -1) for x in (null_sums.count, null_sums.total))
    return HitSums(count.sum(axis=1), total.sum(axis=1))


@dataclass(frozen=True)
class _Copies:
    """What the hits of column-shuffled copies reach: `means` of those with min_hits hits, shrunken
    towards `centre`, the mean of all their hits, by min_hits hits; in ascending order."""

    means: np.ndarray
    centre: float
    min_hits: int

    @classmethod
    def of(cls, null: HitSums, min_hits: int, share: float) -> "_Copies":
        known = null.count >= min_hits
        centre = null.total[known].sum() / max(int(null.count[known].sum()), 1)
        none = cls(np.empty(0), float(centre), min_hits)
        return replace(none, means=np.sort(none.shrunken(null, share)[known]))

    def shrunken(self, of: HitSums, share: float = 1.0) -> np.ndarray:
        # A mean of few hits is large by chance more often than one of many. Copies are shrunken as
        # those are that they are compared with, by the hits that they have in all places: else
        # motifs, with all of their hits, would lie further out than copies that are as strong.
        return (of.total - of.count * self.centre) / (of.count + self.min_hits * share)

    def _judged(self, of: HitSums) -> np.ndarray:
        return (of.count >= self.min_hits) & (len(self.means) > 0)

    def _beyond(self, of: HitSums) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of copies whose mean is as high, and of those whose mean is as low."""
        values = self.shrunken(of)
        above = len(self.means) - np.searchsorted(self.means, values, side="left")
        return above, np.searchsorted(self.means, values, side="right")

    def above(self, of: HitSums) -> tuple[np.ndarray, np.ndarray]:
        """Return p and z of means as high; NaN with fewer than min_hits hits."""
        # Not scipy.stats, whose import costs more than a job of few hits; norm.isf gives the same.
        from scipy.special import ndtri

        n, judged = len(self.means), self._judged(of)
        above, _ = self._beyond(of)
        p_value = np.where(judged, (above + 1) / (n + 1), np.nan)
        return p_value, np.where(judged, -ndtri((above + 0.5) / (n + 1)), np.nan)

    def below(self, of: HitSums) -> np.ndarray:
        """Return p of means as low; NaN with fewer than min_hits hits."""
        _, below = self._beyond(of)
        return np.where(self._judged(of), (below + 1) / (len(self.means) + 1), np.nan)

    def outward(self, of: HitSums) -> np.ndarray:
        """Return p of means as far on their side of the centre; NaN with fewer than min_hits."""
        found = (np.where(self.shrunken(of) >= 0, *self._beyond(of)) + 1) / (len(self.means) + 1)
        return np.where(self._judged(of), found, np.nan)
