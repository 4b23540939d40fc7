"""Discovered motifs of several targets and models as one set: clusters, and what each target makes
of them. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.discover import Pattern, trim
from cisweep.analysis.motifs.families import centred_information, motif_families
from cisweep.analysis.motifs.qvalues import known_qvalues
from cisweep.analysis.motifs.target_uses import N_PERMUTATIONS, uses
from cisweep.genome.motifs import Motif
from cisweep.products.discover import CLUSTER_TARGETS, CLUSTERS, MEMBERS


@dataclass(frozen=True)
class Found:
    """What motif discovery found for one target of one model.

    patterns: of `read_patterns`; names: known motif of each, None without one; instances: rows of
    `pattern_instances`; n_windows: how many were searched; attribution, attribution_sd: sign ->
    mean over these windows of the attribution of that sign, and its standard deviation.
    """

    model: str
    target: str
    patterns: Sequence[Pattern]
    names: Sequence[str | None]
    instances: pd.DataFrame
    n_windows: int
    attribution: dict[str, float]
    attribution_sd: dict[str, float]


@dataclass(frozen=True)
class Clusters:
    """Clusters of motifs, numbered from 0 by their number of seqlets, most first.

    cluster: (M,) of each motif, in the order of the given; centre: (C,) the motif with most seqlets
    of each; similarity: (M,) cosine of each with its centre; offset: (M,) where its first column
    lies, counted from that of its centre; reverse: (M,) does it read on the other strand;
    probabilities, contributions: (4, W) of each cluster on the columns of its centre, the mean over
    motifs weighted by their seqlets.
    """

    cluster: np.ndarray
    centre: np.ndarray
    similarity: np.ndarray
    offset: np.ndarray
    reverse: np.ndarray
    probabilities: list[np.ndarray]
    contributions: list[np.ndarray]


def cluster_patterns(patterns: Sequence[Pattern], min_similarity: float) -> Clusters:
    """Return clusters of motifs whose trimmed matrices are alike on average.

    The clusters are those of `motif_families`: average linkage on the cosine of matrices weighted
    by information, at the best offset and strand; they do not depend on which other motifs there
    are, as Tomtom's p-values do. The order of the motifs decides ties alone.
    """
    motifs = [Motif(p.name, "", p.probabilities[:, trim(p)]) for p in patterns]
    family = motif_families(motifs, min_similarity)
    sizes = np.array([p.n_seqlets for p in patterns], dtype=np.int64)
    total = np.bincount(family, weights=sizes)
    rank = np.argsort(np.argsort(-total, kind="stable"), kind="stable")
    cluster = rank[family] if len(family) else family
    n = len(patterns)
    similarity, offset, reverse = np.ones(n), np.zeros(n, int), np.zeros(n, bool)
    centre, probabilities, contributions = [], [], []
    for number in range(len(total)):
        rows = np.flatnonzero(cluster == number)
        best = int(rows[np.argmax(sizes[rows])])
        centre.append(best)
        for row in rows:
            if row != best:
                similarity[row], offset[row], reverse[row] = best_alignment(
                    motifs[best].pwm, motifs[row].pwm
                )
        width, weights = motifs[best].width, sizes[rows]
        for kind, means in (("probabilities", probabilities), ("contributions", contributions)):
            parts = [getattr(patterns[r], kind)[:, trim(patterns[r])] for r in rows]
            means.append(_aligned_mean(parts, offset[rows], reverse[rows], weights, width))
    return Clusters(
        cluster, np.array(centre, int), similarity, offset, reverse, probabilities, contributions
    )


def best_alignment(centre: np.ndarray, other: np.ndarray) -> tuple[float, int, bool]:
    """Return the best cosine of two matrices (4, W), the offset of the other's first column from
    the centre's, and whether it reads on the other strand there.

    Columns are weighted by `centred_information`. Ties: the strand as given, the smaller offset.
    """
    a = centred_information(centre)
    best = (-np.inf, 0, False)
    for reverse in (False, True):
        b = centred_information(other[::-1, ::-1] if reverse else other)
        norm = max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12)
        products = sum(np.correlate(a[i], b[i], mode="full") for i in range(4)) / norm
        at = int(np.argmax(products))
        if products[at] > best[0]:
            best = (float(products[at]), at - (b.shape[1] - 1), reverse)
    return best


def _aligned_mean(
    parts: list[np.ndarray],
    offsets: np.ndarray,
    reverse: np.ndarray,
    weights: np.ndarray,
    width: int,
) -> np.ndarray:
    """Return (4, width): the weighted mean at each column over the matrices that reach it."""
    total, weight = np.zeros((4, width)), np.zeros(width)
    for part, offset, turned, w in zip(parts, offsets, reverse, weights):
        matrix = part[::-1, ::-1] if turned else part
        low, high = max(offset, 0), min(offset + matrix.shape[1], width)
        if low < high:
            total[:, low:high] += w * matrix[:, low - offset : high - offset]
            weight[low:high] += w
    return total / np.maximum(weight, 1)


def cluster_table(found: Sequence[Found], clusters: Clusters) -> pd.DataFrame:
    """Return a row of CLUSTERS for each cluster; its name is that of its member with most seqlets
    that has one."""
    patterns = [p for f in found for p in f.patterns]
    names = [name for f in found for name in f.names]
    owner = np.array([i for i, f in enumerate(found) for _ in f.patterns], dtype=int)
    rows = []
    for number, matrix in enumerate(clusters.probabilities):
        mine = np.flatnonzero(clusters.cluster == number)
        order = mine[np.argsort([-patterns[i].n_seqlets for i in mine], kind="stable")]
        motif = Motif(cluster_id(number), "", matrix)
        rows.append(
            [
                cluster_id(number),
                next((names[i] for i in order if names[i]), None),
                motif.consensus,
                motif.reverse_complement().consensus,
                len(mine),
                len(set(owner[mine])),
                sum(patterns[i].n_seqlets for i in mine),
            ]
        )
    return pd.DataFrame(rows, columns=CLUSTERS.names())


def cluster_id(number: int) -> str:
    """Return the name of a cluster, counted from 1."""
    return f"cluster_{number + 1}"


def member_table(found: Sequence[Found], clusters: Clusters) -> pd.DataFrame:
    """Return a row of MEMBERS for each motif, by cluster and in the order of the given."""
    rows = [
        (f.model, f.target, p.name, p.sign, p.n_seqlets, name)
        for f in found
        for p, name in zip(f.patterns, f.names)
    ]
    columns = ["model", "target", "pattern", "sign", "n_seqlets", "motif"]
    table = pd.DataFrame(rows, columns=columns).assign(
        similarity=clusters.similarity,
        offset_bp=clusters.offset,
        strand=np.where(clusters.reverse, "-", "+"),
        cluster=[cluster_id(n) for n in clusters.cluster],
    )
    order = np.argsort(clusters.cluster, kind="stable")
    return table.iloc[order][MEMBERS.names()].reset_index(drop=True)


def target_table(
    found: Sequence[Found], clusters: Clusters, seed: int, n: int = N_PERMUTATIONS
) -> pd.DataFrame:
    """Return a row of CLUSTER_TARGETS for each cluster, model, target and sign that has seqlets.

    mean_attribution: over the seqlets, with its standard error. share: the seqlets' attribution
    over all attribution of that sign in the searched windows, with the standard error of a ratio
    over windows. expected, z: of the number of seqlets if the searched windows of the model were
    dealt to its targets at random, each with the seqlets it has (exact mean and standard
    deviation); p_value: the share of `n` such deals, and the found one, with as many or more;
    q_value: of Benjamini and Hochberg over all rows of the model. They are missing where the model
    has one target.
    """
    tables = []
    first = 0
    number_of: list[dict[str, int]] = []
    for f in found:
        mine = clusters.cluster[first : first + len(f.patterns)].tolist()
        number_of.append(dict(zip((p.name for p in f.patterns), mine)))
        first += len(f.patterns)
    for model in dict.fromkeys(f.model for f in found):
        own = [(f, numbers) for f, numbers in zip(found, number_of) if f.model == model]
        units = [_units(f, numbers) for f, numbers in own]
        rows = uses([f for f, _ in own], units, seed, "motif_clusters", n)
        tables.append(rows.assign(q_value=known_qvalues(rows["p_value"].to_numpy(float))))
    table = pd.concat(tables, ignore_index=True).rename(columns={"n_places": "n_seqlets"})
    table = table.sort_values("kind_idx", kind="stable", ignore_index=True)
    table["cluster"] = [cluster_id(i) for i in table["kind_idx"].to_numpy(int)]
    return table[CLUSTER_TARGETS.names()]


def _units(f: Found, numbers: dict[str, int]) -> pd.DataFrame:
    """Return the seqlets as places of kinds (their clusters), as `uses` takes them."""
    table = f.instances
    sign = {p.name: p.sign for p in f.patterns}
    window = table["chrom"].astype(str) + ":" + table["window_start"].astype(str)
    return pd.DataFrame(
        {
            "kind_idx": table["pattern"].map(numbers).to_numpy(),
            "sign": table["pattern"].map(sign).to_numpy(),
            "unit": np.unique(window.to_numpy(str), return_inverse=True)[1],
            "attribution": table["attribution"].to_numpy(float),
            "around": table["window_attribution"].to_numpy(float),
        }
    )
