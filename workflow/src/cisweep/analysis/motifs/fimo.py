"""Motif scanning (FIMO) with exact p-values on tokens, piece by piece, or as memelite calls it."""

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.analysis.motifs.score_distribution import (
    ScoreModel,
    background_from_counts,
    prepare_motifs,
)
from cisweep.errors import MotifError, SequenceError
from cisweep.genome.motifs import load_motifs
from cisweep.kernels import array, kernel

STRETCH = 8192  # as in the kernel
GROUP = 64
THREAD_BLOCK = 1 << 18  # starts that one call of the kernel scans
SEPARATOR = np.array([4], dtype=np.uint8)  # one N: no window reaches over it

HIT = np.dtype(
    [
        ("motif_idx", np.int32),
        ("strand", "U1"),
        ("start", np.int64),
        ("end", np.int64),
        ("score", np.float64),
        ("p_value", np.float64),
    ]
)

has_avx2 = kernel("fimo_has_avx2", ctypes.c_int, [])
_scan = kernel(
    "fimo_scan",
    ctypes.c_int64,
    [
        array(np.uint8, 1),
        *[ctypes.c_int64] * 4,
        array(np.int32, 1),
        array(np.int32, 1),
        array(np.int64, 1),
        array(np.int32, 2),
        array(np.uint8, 1),
        array(np.int64, 1),
        array(np.uint8, 2),
        ctypes.c_int64,
        array(np.uint8, 1),
        ctypes.c_int,
        ctypes.c_int64,
        array(np.int32, 1),
        array(np.int64, 1),
        array(np.int32, 1),
    ],
)


def scan_tokens(
    model: ScoreModel,
    tokens: np.ndarray,
    *,
    own: tuple[int, int] | None = None,
    offset: int = 0,
    n_threads: int = 1,
    portable: bool = False,
) -> np.ndarray:
    """Return the hits of one stretch of sequence, ordered by start, motif, strand.

    Parameters: `tokens` (L,) uint8, 0-3 = A C G T, anything else N; `own`, the half-open range of
    starts within `tokens` whose hits are wanted (None: all), so that pieces which overlap by
    `model.overlap_bp` give each hit once; `offset`, the coordinate of tokens[0]; `n_threads`;
    `portable`, True keeps to the code without AVX2 (the result is the same).
    Returns a structured array HIT: motif_idx, strand, start and end (0-based half-open, + frame,
    `offset` added), score in bits (a multiple of the bin size), exact p_value < threshold. A
    window with an N never matches; a palindrome matches on both strands.
    """
    tokens = np.ascontiguousarray(tokens, dtype=np.uint8)
    first, last = (0, len(tokens)) if own is None else own
    if not 0 <= first <= last <= len(tokens):
        raise SequenceError(
            f"own is [{first}, {last}), the tokens have {len(tokens)} positions",
            where="scan_tokens",
            mend="give a range within the tokens",
        )
    entry, start, loss = _scan_range(model, tokens, first, last, n_threads, portable)
    order = np.argsort(start * len(model.tables.width) + entry, kind="stable")
    return _hits(model, entry[order], start[order], loss[order], offset)


def _scan_range(
    model: ScoreModel, tokens: np.ndarray, first: int, last: int, n_threads: int, portable: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return entry, start and loss of the matches that start in [first, last)."""
    bounds = [(a, min(a + THREAD_BLOCK, last)) for a in range(first, last, THREAD_BLOCK)]
    if n_threads > 1 and len(bounds) > 1:
        with ThreadPoolExecutor(n_threads) as pool:
            parts = list(pool.map(lambda b: _scan_block(model, tokens, *b, portable), bounds))
    else:
        parts = [_scan_block(model, tokens, *b, portable) for b in bounds]
    none = np.empty(0, np.int64)
    entry, start, loss = (np.concatenate([none, *(p[i] for p in parts)]) for i in range(3))
    return entry, start, loss


def _scan_block(
    model: ScoreModel, tokens: np.ndarray, first: int, last: int, portable: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return entry, start and loss of the hits that start in [first, last)."""
    t = model.tables
    largest = int(model.widths.max())
    scratch = np.empty(2 * (STRETCH + largest + 2 * GROUP), dtype=np.uint8)
    expected = model.threshold * (last - first) * len(t.width)
    capacity = int(min(expected * 1.5 + 1024, 1 << 22))
    while True:
        out = (np.empty(capacity, np.int32), np.empty(capacity, np.int64),
               np.empty(capacity, np.int32))  # fmt: skip
        found = _scan(
            tokens, len(tokens), first, last, len(t.width), t.width, t.limit, t.column, t.loss,
            t.limit8, t.block, t.pairs, largest, scratch, int(portable), capacity, *out,
        )  # fmt: skip
        if found <= capacity:
            return tuple(column[:found] for column in out)
        capacity = found


def _hits(
    model: ScoreModel, entry: np.ndarray, start: np.ndarray, loss: np.ndarray, offset: int
) -> np.ndarray:
    hits = np.empty(len(entry), dtype=HIT)
    motif = entry // model.n_strands
    hits["motif_idx"] = motif
    hits["strand"] = np.array(["+", "-"])[entry % model.n_strands]
    hits["start"] = start + offset
    hits["end"] = start + offset + model.widths[motif]
    hits["score"] = (model.best_bins[motif] - loss) * model.bin_size
    hits["p_value"] = model.p_value[model.cell_offset[motif] + loss]
    return hits


def count_tests(
    model: ScoreModel, tokens: np.ndarray, own: tuple[int, int] | None = None
) -> np.ndarray:
    """Return (M,) int64, how many (position, strand) `scan_tokens` tests of each motif.

    `tokens` and `own` are those of `scan_tokens`; windows with an N are not tests. Counts of
    pieces that own disjoint starts are merged by adding them.
    """
    first, last = (0, len(tokens)) if own is None else own
    known = np.concatenate([[0], (tokens < 4).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(known))
    return tests_of_runs(model, np.maximum(edges[::2], first), edges[1::2], last)


def tests_of_runs(
    model: ScoreModel, begin: np.ndarray, end: np.ndarray, last: int | np.ndarray
) -> np.ndarray:
    """Return (M,) int64, how many (position, strand) are tested of each motif in runs without N.

    begin, end: (R,) bounds of the runs; last: where the starts that count end, of all or of each.
    """
    widths, which = np.unique(model.widths, return_inverse=True)
    windows = [
        np.maximum(np.minimum(end - width + 1, last) - begin, 0).sum() for width in widths.tolist()
    ]
    return np.array(windows, dtype=np.int64)[which] * model.n_strands


def fimo(
    motifs: str | Path | dict[str, Any],
    sequences: Any,
    alphabet: Sequence[str] = ("A", "C", "G", "T"),
    bin_size: float = 0.1,
    eps: float = 1e-4,
    threshold: float = 1e-4,
    reverse_complement: bool = True,
    return_counts: bool = False,
    dim: int = 0,
    verbose: bool = False,
    background: str | Sequence[float] | MarkovBackground = "uniform",
    n_jobs: int = 1,
    q_values: bool = False,
) -> Any:
    """Return the hits of motifs in sequences, one DataFrame a motif (or a sequence).

    Parameters: `motifs`, a MEME file or a dict name → (4, width) array or tensor; `sequences`,
    a FASTA file or one-hot (n, 4, length), N all zeros; `alphabet`, A C G T only; `bin_size` in
    bits; `eps`, the pseudocount; `threshold`, p < threshold; `reverse_complement`, scan both
    strands; `return_counts`, only the (M,) int32 number of hits of each motif; `dim`, 0 for a
    DataFrame per motif, 1 for one per sequence that has hits; `verbose` has no effect;
    `background`, "uniform", "sequences" (their strand-blind base frequencies), four
    probabilities of A C G T or a MarkovBackground; `n_jobs` threads; `q_values`, add the columns
    q-value (among the tests of the motif) and q-value_pooled (of all motifs).
    Columns: motif_name, motif_idx, sequence_name (a number for one-hot), start, end (0-based
    half-open), strand, score (bits, a multiple of `bin_size`), p-value. Within a motif all + hits
    come before the - hits, each by sequence and start.
    Raises MotifError, GenomeError, SequenceError.
    Source: memelite 0.5 `fimo`, signature and columns. It differs in that p-values are exact for
    the score, that all windows with p < threshold are found (memelite compares unrounded scores
    with thresholds of rounded ones), and that windows with N never match (there N scores 0).
    """
    if tuple(alphabet) != ("A", "C", "G", "T"):
        raise SequenceError(
            f"the alphabet is {list(alphabet)}", where="fimo", mend="give ['A', 'C', 'G', 'T']"
        )
    if dim not in (0, 1):
        raise MotifError(f"dim is {dim!r}", where="fimo", mend="give 0 (motifs) or 1 (sequences)")
    if isinstance(motifs, (str, Path)):
        motifs = {motif.label: motif.pwm for motif in load_motifs(motifs)}
    elif not isinstance(motifs, dict):
        raise MotifError(
            f"motifs is a {type(motifs).__name__}", where="fimo", mend="give a dict or a filename"
        )
    tokens, begins, names = _joined_tokens(sequences)
    model = prepare_motifs(
        motifs,
        background=_resolve_background(background, tokens),
        bin_size=bin_size,
        pseudocount=eps,
        threshold=threshold,
        reverse_complement=reverse_complement,
    )
    hits = scan_tokens(model, tokens, n_threads=n_jobs)
    if return_counts:
        return np.bincount(hits["motif_idx"], minlength=len(model.names)).astype(np.int32)
    extra = _q_columns(model, tokens, hits) if q_values else {}
    return _frames(model, hits, begins, names, dim, extra)


def _resolve_background(background: Any, tokens: np.ndarray) -> Any:
    if not isinstance(background, str):
        return background
    if background == "uniform":
        return (0.25, 0.25, 0.25, 0.25)
    if background == "sequences":
        return background_from_counts(np.bincount(tokens, minlength=5)[:4])
    raise MotifError(
        f"background is {background!r}", where="fimo", mend="give uniform, sequences or a list"
    )


def _joined_tokens(sequences: Any) -> tuple[np.ndarray, np.ndarray, list[str] | None]:
    """Return all sequences joined by one N, where each begins, and their names if they have any."""
    if isinstance(sequences, (str, Path)):
        from cisweep.genome.fasta import read_sequences

        source, names = read_sequences(Path(sequences))
        parts = [source.tokens(name, 0, source.lengths[name]) for name in names]
        begins = np.concatenate([[0], np.cumsum([len(p) + 1 for p in parts])])
        return np.concatenate([x for p in parts for x in (p, SEPARATOR)]), begins, names
    if hasattr(sequences, "detach"):
        sequences = sequences.detach().cpu().numpy()
    rows = _tokens_of_one_hot(np.asarray(sequences))
    return rows.ravel(), np.arange(len(rows) + 1) * rows.shape[1], None


def _tokens_of_one_hot(one_hot: np.ndarray) -> np.ndarray:
    """Return (n, length + 1) uint8 tokens, the last one N, of one-hot (n, 4, length)."""
    if one_hot.ndim != 3 or one_hot.shape[1] != 4:
        raise SequenceError(
            f"sequences have shape {one_hot.shape}", where="fimo", mend="give (n, 4, length)"
        )
    small = one_hot.astype(np.uint8, copy=False)
    small = small.view(np.uint8)
    one = small[:, 0] | small[:, 1] | small[:, 2] | small[:, 3]
    total = small[:, 0] + small[:, 1] + small[:, 2] + small[:, 3]
    exact = small.dtype.itemsize == one_hot.dtype.itemsize or np.array_equal(small, one_hot)
    if not exact or (total > 1).any() or (one > 1).any():
        raise SequenceError(
            "sequences are not one-hot", where="fimo", mend="give 0 and 1, at most one 1 a position"
        )
    tokens = np.full((len(small), small.shape[2] + 1), 4, dtype=np.uint8)
    letters = small[:, 1] + 2 * small[:, 2] + 3 * small[:, 3]
    tokens[:, :-1] = letters + 4 * (1 - total)
    return tokens


def _q_columns(model: ScoreModel, tokens: np.ndarray, hits: np.ndarray) -> dict[str, np.ndarray]:
    from cisweep.analysis.motifs.qvalues import cell_qvalues, count_hits

    q_values = cell_qvalues(model, count_hits(model, hits), count_tests(model, tokens))
    per_motif, pooled = q_values.of(hits["motif_idx"], hits["score"])
    return {"q-value": per_motif, "q-value_pooled": pooled}


def _frames(
    model: ScoreModel,
    hits: np.ndarray,
    begins: np.ndarray,
    names: list[str] | None,
    dim: int,
    extra: dict[str, np.ndarray],
) -> list[Any]:
    """Return memelite's DataFrames from hits whose positions run over the joined sequences."""
    import pandas as pd

    entry = hits["motif_idx"].astype(np.int64) * 2 + (hits["strand"] == "-")
    order = np.argsort(entry, kind="stable")
    hits = hits[order]
    sequence = np.searchsorted(begins, hits["start"], side="right") - 1
    local = begins[sequence]
    table = pd.DataFrame(
        {
            "motif_name": np.array(model.names, dtype=object)[hits["motif_idx"]],
            "motif_idx": hits["motif_idx"].astype(np.int64),
            "sequence_name": sequence if names is None else np.array(names, object)[sequence],
            "start": hits["start"] - local,
            "end": hits["end"] - local,
            "strand": hits["strand"].astype(object),
            "score": hits["score"],
            "p-value": hits["p_value"],
            **{name: values[order] for name, values in extra.items()},
        }
    )
    if dim == 1:
        return [part.reset_index(drop=True) for _, part in table.groupby("sequence_name")]
    bounds = np.searchsorted(hits["motif_idx"], np.arange(len(model.names) + 1))
    return [table.iloc[a:b].reset_index(drop=True) for a, b in zip(bounds[:-1], bounds[1:])]
