"""Names for the seqlets of a run, as good as few random spans of the same windows have them.

Tomtom's p- and q-values say how a motif's columns compare with a query's; of random spans of real
sequence 10 to 30 % have a motif at q <= 0.1. So what names a seqlet is measured on random spans
instead, of the same windows and beside all seqlets: its name p-value is the share of them that are
named as well. Three things name a seqlet, the first that holds the rate:

    hit     the match over it that wins its place (step hits), of a family that drives the target
    pair    a motif's match over the seqlet and its neighbour of the same target and sign, since a
            model reads the two halves of a bipartite motif and not what lies between them; against
            pairs of the same lengths and distances at random places
    tomtom  the closest motif of its bases

A hit and Tomtom's motif are compared with random spans of the same length. Of several looks at one
seqlet (hit, left pair, right pair, Tomtom) the best counts, times their number. Torch-free.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import ScoreModel, prepare_motifs
from cisweep.analysis.seqlets.annotate_seqlets import MotifMatches, match_motifs, token_matrix
from cisweep.analysis.seqlets.driving_hits import COVERED, BestHits, Driving
from cisweep.analysis.seqlets.random_places import RandomPlaces
from cisweep.bases import text_of
from cisweep.genome.fasta import SequenceSource, tokens_of_text
from cisweep.genome.motifs import Motif

N_SPANS = 400  # random spans of each length
N_PAIRS = 1000  # random pairs
N_CONTROLS = 400  # random spans or pairs of each target that are named, as a control
HIT_P_VALUE = 1e-4  # of a match that may name, as the step hits has it by default
PAIR_GAP = 20  # bases between two seqlets that a control moves together, at most
PAIRS, CONTROLS = 10_001, 10_002  # draws of random places that are no length


@dataclass(frozen=True)
class NameRules:
    """rate: largest share of random spans that get a name; nearest: motifs that are listed."""

    rate: float = 0.05
    nearest: int = 3
    seed: int = 0
    n_jobs: int = 1


@dataclass(frozen=True)
class NamedSeqlets:
    """table: seqlets with their names; control: target -> share of random spans that get a name."""

    table: pd.DataFrame
    control: dict[str, float]


def name_seqlets(
    table: pd.DataFrame,
    motifs: list[Motif],
    source: SequenceSource,
    rules: NameRules,
    driving: Driving | None = None,
) -> NamedSeqlets:
    """Return the table with the name of each seqlet, and the closest motifs by Tomtom.

    table: seqlets in genome order (target, chrom, start, end, sign, sequence, window_start,
    window_end). Adds motif (name), motif_id, motif_strand, name_by (`hit`, `pair` or `tomtom`),
    motif_p_value (of the match, or Tomtom's), motif_q_value (Tomtom's over all motifs): missing
    where name_p_value, the share of random spans that are named as well, is above `rules.rate`;
    family and family_rank, those of the motif in the ranking of the target. nearest_motifs are
    Tomtom's, named or not (`name:p:q` of each, joined by ;), nearest_ids their ids.

    The control are spans like the seqlets at random places beside them, which are not those that
    the rate was taken from.
    """
    driving = driving or Driving.none()
    places = RandomPlaces.of(table, driving.over(table), source, rules.seed)
    namer = _Namer(motifs, places, rules, driving)
    named = namer.named(table)
    control = {}
    for target in dict.fromkeys(table["target"]):
        spans = _moved(table[table["target"] == target], namer.places, N_CONTROLS)
        control[target] = float(namer.named(spans)["motif"].notna().mean()) if len(spans) else 0.0
    return NamedSeqlets(named, control)


def _moved(table: pd.DataFrame, places: "RandomPlaces", n: int) -> pd.DataFrame:
    """Return n seqlets, drawn with replacement, at random places, those side by side together."""
    ordered = table.sort_values(["sign", "chrom", "start", "end"], kind="stable")
    keys = ordered[["sign", "chrom", "window_start"]]
    apart = ordered["start"] - ordered["end"].shift(fill_value=0) > PAIR_GAP
    run = ((keys != keys.shift()).any(axis=1) | apart).cumsum().to_numpy()
    # Pairs, as they may be named together; what is left of an odd number stands alone.
    unit = run * len(table) + ordered.groupby(run).cumcount().to_numpy() // 2
    low = ordered.groupby(unit)["start"].transform("min").to_numpy()
    high = ordered.groupby(unit)["end"].transform("max").to_numpy()
    first = np.flatnonzero(np.diff(unit, prepend=-1))
    units = np.random.default_rng([places.seed, CONTROLS]).integers(0, len(first), n)
    drawn = places.draw((high - low)[first[units]], CONTROLS)
    rows, records = [], ordered.to_dict("records")
    last = np.append(first[1:], len(unit))
    for (chrom, at), k, end_of_unit in zip(drawn, first[units].tolist(), last[units].tolist()):
        for row in records[k:end_of_unit]:
            start = at + row["start"] - int(low[k])
            end = start + row["end"] - row["start"]
            text = text_of(places.source.tokens(chrom, start, end))
            rows.append(row | {"chrom": chrom, "start": start, "end": end, "sequence": text})
    return pd.DataFrame(rows, columns=table.columns)


class _Namer:
    """Names spans of any table, by one null of random spans."""

    def __init__(
        self, motifs: list[Motif], places: "RandomPlaces", rules: NameRules, driving: Driving
    ) -> None:
        self.motifs, self.places, self.rules, self.driving = motifs, places, rules, driving
        self._ids = np.array([m.name for m in motifs], dtype=object)
        self._names = {m.name: m.factor for m in motifs}
        self._spans: dict[int, list[tuple[str, int, int]]] = {}
        self._tomtom: dict[int, np.ndarray] = {}
        self._driving: dict[tuple[str, int], np.ndarray] = {}
        self._paired: np.ndarray | None = None

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with the columns of `name_seqlets`."""
        queries = [token_matrix(tokens_of_text(s)) for s in table["sequence"]]
        found = match_motifs(queries, self.motifs, self.rules.nearest, self.rules.n_jobs)
        alone = self._share_of_tomtom(table, found)
        hits, by_hit = self._hits(table)
        pairs, both, n_pairs = self._pairs(table)
        driven = table["target"].isin(self.driving.targets).to_numpy()
        looks = 1 + n_pairs + driven
        rate = self.rules.rate
        hit = looks * by_hit <= rate
        pair = ~hit & (looks * both <= rate)
        tomtom = ~hit & ~pair & (looks * alone <= rate) & (found.motif_idx[:, 0] >= 0)
        kinds = [hit, pair, tomtom]
        nearest = BestHits(
            self._ids[np.maximum(found.motif_idx[:, 0], 0)], found.strand[:, 0], found.p_value[:, 0]
        )
        by = [hits, pairs, nearest]
        ids = np.select(kinds, [x.motif for x in by], None)
        best = np.minimum(np.minimum(alone, both), by_hit)
        names = [self._names.get(m) for m in ids]
        named = table.assign(
            motif=np.array(names, object),
            motif_id=ids,
            motif_p_value=np.select(kinds, [x.p_value for x in by], np.nan),
            motif_q_value=np.where(tomtom, found.q_value[:, 0], np.nan),
            motif_strand=np.select(kinds, [x.strand.astype(object) for x in by], None),
            name_by=np.select(kinds, np.array(["hit", "pair", "tomtom"], object)[:, None], None),
            name_p_value=np.minimum(looks * np.select(kinds, [by_hit, both, alone], best), 1.0),
            nearest_motifs=self._nearest(found),
            nearest_ids=[";".join(self._ids[m] for m in row if m >= 0) for row in found.motif_idx],
        )
        return self._with_families(named)

    def _nearest(self, found: MotifMatches) -> list[str]:
        return [
            ";".join(
                f"{self._names[self._ids[m]]}:{p:.3g}:{q:.3g}" for m, p, q in zip(*row) if m >= 0
            )
            for row in zip(found.motif_idx, found.p_value, found.q_value)
        ]

    @cached_property
    def _families(self) -> dict[tuple[str, str], tuple[str, float]]:
        """(target, motif) -> its family and the family's rank."""
        ranking = self.driving.ranking
        keys = zip(ranking["target"], ranking["motif"])
        return dict(zip(keys, zip(ranking["family"], ranking["family_rank"])))

    def _with_families(self, table: pd.DataFrame) -> pd.DataFrame:
        known = self._families
        mine = [known.get(key, (None, np.nan)) for key in zip(table["target"], table["motif_id"])]
        return table.assign(
            family=np.array([name for name, _ in mine], object),
            family_rank=np.array([rank for _, rank in mine], np.float64),
        )

    def _random(self, length: int) -> list[tuple[str, int, int]]:
        """Return random spans of a length, without N."""
        if length not in self._spans:
            drawn = self.places.draw(np.full(N_SPANS, length), length)
            spans = [(chrom, at, at + length) for chrom, at in drawn]
            self._spans[length] = [s for s in spans if (self.places.source.tokens(*s) < 4).all()]
        return self._spans[length]

    def _share_of_tomtom(self, table: pd.DataFrame, found: MotifMatches) -> np.ndarray:
        """Return (M,) the share of random spans of a seqlet's length with as close a motif."""
        share = np.ones(len(table))
        width = (table["end"] - table["start"]).to_numpy(np.int64)
        for length in np.unique(width).tolist():
            spans = self._random(length)
            if not spans:
                continue
            if length not in self._tomtom:
                queries = [token_matrix(self.places.source.tokens(*span)) for span in spans]
                null = match_motifs(queries, self.motifs, 1, self.rules.n_jobs)
                self._tomtom[length] = null.p_value[:, 0]
            rows = width == length
            share[rows] = _share(found.p_value[rows, 0], self._tomtom[length])
        return share

    def _hits(self, table: pd.DataFrame) -> tuple[BestHits, np.ndarray]:
        """Return the hit over each seqlet, and the share of random spans with as good a one."""
        found, share = BestHits.none(len(table)), np.ones(len(table))
        width = (table["end"] - table["start"]).to_numpy(np.int64)
        targets = table["target"].to_numpy()
        for target in self.driving.targets:
            for length in np.unique(width[targets == target]).tolist():
                rows = np.flatnonzero((targets == target) & (width == length))
                spans = table[["chrom", "start", "end"]].iloc[rows]
                mine = self.driving.best(target, list(spans.itertuples(index=False, name=None)))
                found.motif[rows], found.strand[rows] = mine.motif, mine.strand
                found.p_value[rows] = mine.p_value
                key = target, length
                if key not in self._driving:
                    self._driving[key] = self.driving.best(target, self._random(length)).p_value
                if len(self._driving[key]):
                    share[rows] = _share(mine.p_value, self._driving[key])
        share[found.motif == ""] = 1.0
        return found, share

    def _pairs(self, table: pd.DataFrame) -> tuple[BestHits, np.ndarray, np.ndarray]:
        """Return the best match over each seqlet and a neighbour, the share of random pairs with as
        good a one, and the number of neighbours."""
        found, share = BestHits.none(len(table)), np.ones(len(table))
        pair = _neighbours(table, max(m.width for m in self.motifs))
        n_pairs = np.bincount(pair.ravel(), minlength=len(table))
        if not len(pair):
            return found, share, n_pairs
        start, end = (table[c].to_numpy(np.int64)[pair] for c in ("start", "end"))
        chrom = table["chrom"].to_numpy()[pair[:, 0]].tolist()
        hits = _best_hits(self._model, self.places.source, chrom, start, end)
        if self._paired is None:
            self._paired = self._random_pairs(start, end)
        of_pair = _share(hits.p_value, self._paired) if len(self._paired) else np.ones(len(pair))
        for k in np.lexsort((hits.p_value, of_pair)).tolist():
            for i in pair[k].tolist():
                if found.motif[i] == "" and hits.motif[k] != "":
                    found.motif[i], found.strand[i] = hits.motif[k], hits.strand[k]
                    found.p_value[i], share[i] = hits.p_value[k], of_pair[k]
        return found, share, n_pairs

    def _random_pairs(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return the p-values of the best matches over pairs like these (M, 2), moved at random."""
        like = np.random.default_rng([self.places.seed, 1]).integers(0, len(start), N_PAIRS)
        drawn = self.places.draw(end[like].max(axis=1) - start[like, 0], PAIRS)
        shift = np.array([at for _, at in drawn], np.int64) - start[like, 0]
        null = _best_hits(
            self._model,
            self.places.source,
            [c for c, _ in drawn],
            start[like] + shift[:, None],
            end[like] + shift[:, None],
        )
        return null.p_value

    @cached_property
    def _model(self) -> ScoreModel:
        return prepare_motifs(
            self.motifs, background=self.places.background(), threshold=HIT_P_VALUE
        )


def _share(values: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return how often random ones have as low a p-value, the seqlet itself counted among them."""
    return (1 + np.searchsorted(np.sort(null), values, side="right")) / (1 + len(null))


def _neighbours(table: pd.DataFrame, widest: int) -> np.ndarray:
    """Return rows (M, 2) of seqlets side by side, of one target and sign, that a motif spans."""
    keys = [pd.factorize(table[c])[0] for c in ("target", "sign", "chrom")]
    start, end = (table[c].to_numpy(np.int64) for c in ("start", "end"))
    order = np.lexsort((end, start, *keys))
    left, right = order[:-1], order[1:]
    same = np.all([key[left] == key[right] for key in keys], axis=0)
    spanned = np.ceil(COVERED * (end[left] - start[left])) + np.ceil(
        COVERED * (end[right] - start[right])
    ) + np.maximum(start[right] - end[left], 0) <= widest  # fmt: skip
    return np.stack([left, right], axis=1)[same & spanned]


def _best_hits(
    model: ScoreModel,
    source: SequenceSource,
    chrom: list[str],
    start: np.ndarray,
    end: np.ndarray,
) -> BestHits:
    """Return the match with the lowest p-value that covers both spans of each pair (M, 2)."""
    found = BestHits.none(len(chrom))
    reach = model.overlap_bp + 1
    for k, name in enumerate(chrom):
        low, high = int(start[k].min()) - reach, int(end[k].max()) + reach
        hits = scan_tokens(model, source.tokens(name, low, high), offset=low)
        inside = [
            np.minimum(hits["end"], b) - np.maximum(hits["start"], a) >= COVERED * (b - a)
            for a, b in zip(start[k], end[k])
        ]
        hits = hits[inside[0] & inside[1]]
        if len(hits):
            best = hits[np.argmin(hits["p_value"])]
            found.motif[k], found.strand[k] = model.names[best["motif_idx"]], best["strand"]
            found.p_value[k] = best["p_value"]
    return found
