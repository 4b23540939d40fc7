"""Names for seqlets: the closest motifs of a database by Tomtom (memelite).

memelite's Tomtom is compiled by numba at its first call, for a minute, and kept on disk: beside
the installed package, in ~/.cache/numba, or in NUMBA_CACHE_DIR. `warm_tomtom_cache` pays that
once. All calls go through `match_motifs` with float64 matrices, so that one compilation serves.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cisweep.errors import MotifError, SequenceError
from cisweep.genome.motifs import Motif, read_meme

QUERIES_AT_ONCE = 512  # bounds the (queries, motifs) matrices
LONGEST_QUERY = 100  # Tomtom's tables grow by the cube: 3 GB a thread at 100 bp


@dataclass(frozen=True)
class MotifMatches:
    """The nearest motifs of each query, all (N, n_nearest), nearest first.

    motif_idx int32 (-1: the query holds no base); p_value, q_value float64; score in Tomtom's
    bins; offset, overlap_bp int32, of the query against the motif; strand "+" or "-".
    q_value is Benjamini-Hochberg over all motifs for that query, as MEME's tomtom has it, so a
    query's row does not depend on the other queries.
    """

    motif_idx: np.ndarray
    p_value: np.ndarray
    q_value: np.ndarray
    score: np.ndarray
    offset: np.ndarray
    overlap_bp: np.ndarray
    strand: np.ndarray


def annotate_seqlets(
    X: Any,
    seqlets: Any,
    motifs: str | Path | Mapping[str, Any] | Sequence[Motif],
    n_nearest: int = 1,
    n_jobs: int = 4,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """Return the index and the Tomtom p-value of the nearest motifs of each seqlet.

    Parameters: `X` (n, 4, length) one-hot, tensor or array; `seqlets`, a DataFrame whose first
    three columns are the example's index in X, start and end (0-based half-open); `motifs`, a
    MEME file, a dict name → (4, width) or a list of Motif; `n_nearest`, how many matches;
    `n_jobs` threads; further arguments go to memelite's tomtom.
    Returns idxs (n_seqlets, n_nearest) int32 and p-values float64, tensors if X is one. Raises
    MotifError, SequenceError. Equal p-values come in the motifs' order.
    Source: tangermeme 1.6 `annotate_seqlets`. `match_motifs` gives q-values and strands too.
    """
    if isinstance(motifs, (str, Path)):
        motifs = read_meme(motifs)
    matches = match_motifs(_spans(X, seqlets), motifs, n_nearest, n_jobs, **kwargs)
    if not hasattr(X, "detach"):
        return matches.motif_idx, matches.p_value
    import torch

    return torch.from_numpy(matches.motif_idx), torch.from_numpy(matches.p_value)


def token_matrix(tokens: np.ndarray) -> np.ndarray:
    """Return the (4, L) float64 one-hot of uint8 tokens (L,); N is all zeros."""
    return (np.arange(4, dtype=np.uint8)[:, None] == tokens).astype(np.float64)


def match_motifs(
    queries: Sequence[np.ndarray],
    motifs: Mapping[str, Any] | Sequence[Motif],
    n_nearest: int = 1,
    n_jobs: int = 1,
    **kwargs: Any,
) -> MotifMatches:
    """Return the `n_nearest` closest motifs of each query matrix by Tomtom.

    Parameters: `queries`, matrices (4, width), one-hot or probabilities, at most 100 columns;
    `motifs`, a list of Motif or a dict name → (4, width); `n_jobs` threads; further arguments
    (n_score_bins, reverse_complement, …) go to memelite's tomtom, whose defaults are kept.
    Equal queries are compared once. p-values depend on the set of motifs (Tomtom's background),
    not on the other queries; below 25 motifs memelite warns. Raises MotifError.
    Source: Tomtom, complete scores (Gupta 2007; Tanaka 2011), memelite 0.5.
    """
    targets = _targets(motifs)
    n_nearest = min(_positive(n_nearest, "n_nearest"), len(targets))
    queries = [np.asarray(q, dtype=np.float64) for q in queries]
    check_queries(queries)
    keys = {q.tobytes(): i for i, q in reversed(list(enumerate(queries))) if q.any()}
    unique = sorted(keys.values())  # the first of each set of equal queries, all-N ones left out
    place = {queries[i].tobytes(): row for row, i in enumerate(unique)}
    found = _nearest([queries[i] for i in unique], targets, n_nearest, n_jobs, kwargs)
    rows = np.array([place.get(q.tobytes(), len(unique)) for q in queries], dtype=np.int64)
    return _matches(found[:, rows])


def warm_tomtom_cache() -> float:
    """Return the seconds it took to have Tomtom compiled and cached on disk (about 1 if it was).

    Call it once after the installation. Raises MotifError when numba finds no writable folder.
    """
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    motifs = {str(i): rng.dirichlet([1.0] * 4, size=8).T for i in range(30)}
    match_motifs([np.eye(4), np.eye(4)[:, ::-1]], motifs)
    return time.perf_counter() - start


def memelite_tomtom() -> Callable[..., Any]:
    """Return memelite's function; raises MotifError where numba has no folder to write to."""
    try:
        from memelite import tomtom
    except RuntimeError as fault:
        raise MotifError(
            f"numba cannot store what it compiles ({fault})",
            where="memelite",
            mend="set NUMBA_CACHE_DIR to a writable folder",
        ) from fault
    return tomtom


def threads(n_jobs: int) -> int:
    """Return the threads to give numba, at most those it has; -1 for all. Raises MotifError."""
    import numba

    return (
        n_jobs if n_jobs == -1 else min(_positive(n_jobs, "n_jobs"), numba.config.NUMBA_NUM_THREADS)
    )


def _positive(value: int, name: str) -> int:
    if value < 1:
        raise MotifError(f"{name} is {value}", where="tomtom", mend="give 1 or more")
    return int(value)


def _targets(motifs: Mapping[str, Any] | Sequence[Motif]) -> list[np.ndarray]:
    if isinstance(motifs, Mapping):
        motifs = [Motif(str(k), "", v.numpy() if hasattr(v, "detach") else v)
                  for k, v in motifs.items()]  # fmt: skip
    if len(motifs) == 0:
        raise MotifError("there is no motif to compare with", mend="give at least one motif")
    return [np.asarray(m.pwm) for m in motifs]


def check_queries(queries: Sequence[np.ndarray]) -> None:
    """Raise MotifError unless each is a (4, width) matrix of 1 to 100 positions."""
    for row, query in enumerate(queries):
        if query.ndim != 2 or query.shape[0] != 4 or not 1 <= query.shape[1] <= LONGEST_QUERY:
            raise MotifError(
                f"query {row} has shape {query.shape}",
                where="tomtom",
                mend=f"give (4, width) matrices of 1 to {LONGEST_QUERY} positions",
            )


def _nearest(
    queries: list[np.ndarray],
    targets: list[np.ndarray],
    n_nearest: int,
    n_jobs: int,
    options: dict[str, Any],
) -> np.ndarray:
    """Return (7, queries + 1, n_nearest): p, score, offset, overlap, strand, index, q.

    The last row stands for a query without a base.
    """
    out = np.zeros((7, len(queries) + 1, n_nearest))
    out[[0, 6], -1], out[5, -1] = 1, -1
    if not queries:
        return out
    tomtom, jobs = memelite_tomtom(), threads(n_jobs)
    by_width = np.argsort([q.shape[1] for q in queries], kind="stable")
    for a in range(0, len(queries), QUERIES_AT_ONCE):
        rows = by_width[a : a + QUERIES_AT_ONCE]
        full = np.array(tomtom([queries[i] for i in rows], targets, n_jobs=jobs, **options))
        order = np.argsort(full[0], axis=1, kind="stable")
        q_value = _q_values(np.take_along_axis(full[0], order, axis=1))
        kept = order[:, :n_nearest]
        for field in range(5):
            out[field, rows] = np.take_along_axis(full[field], kept, axis=1)
        out[5, rows], out[6, rows] = kept, q_value[:, :n_nearest]
    return out


def _q_values(sorted_p: np.ndarray) -> np.ndarray:
    """Return Benjamini-Hochberg q-values of each row of rising p-values."""
    n = sorted_p.shape[1]
    ratio = sorted_p * n / np.arange(1, n + 1)
    return np.minimum(np.minimum.accumulate(ratio[:, ::-1], axis=1)[:, ::-1], 1.0)


def _matches(found: np.ndarray) -> MotifMatches:
    p_value, score, offset, overlap, strand, index, q_value = found
    return MotifMatches(
        motif_idx=index.astype(np.int32),
        p_value=p_value.copy(),
        q_value=q_value.copy(),
        score=score.copy(),
        offset=offset.astype(np.int32),
        overlap_bp=overlap.astype(np.int32),
        strand=np.where(strand > 0, "-", "+"),
    )


def _spans(X: Any, seqlets: Any) -> list[np.ndarray]:
    if hasattr(X, "detach"):
        X = X.detach().cpu().numpy()
    if X.ndim != 3 or X.shape[1] != 4:
        raise SequenceError(
            f"X has shape {tuple(X.shape)}", where="annotate_seqlets", mend="give (n, 4, length)"
        )
    spans = []
    for row, (example, start, end) in enumerate(seqlets.iloc[:, :3].to_numpy().tolist()):
        if not (0 <= example < len(X) and 0 <= start < end <= X.shape[2]):
            raise SequenceError(
                f"seqlet {row} is example {example}, [{start}, {end}), X has shape {X.shape}",
                where="annotate_seqlets",
                mend="give example indices and spans within X",
            )
        spans.append(X[int(example), :, int(start) : int(end)])
    return spans
