"""Integer scores of motifs, their exact distribution, and what the scan kernel needs of them.

A matrix entry is log2((p + pseudocount) / background), rounded to bins of `bin_size` bits. All
later arithmetic is on integers: the score of a window is a sum of bins, and its p-value is the
exact probability, under the background, of a window scoring as high. The background may be a chain
of order 1; the score then stays that of its bases' frequencies, and the p-value is the chain's.
Internally a score is its *loss*, the number of bins below the motif's best score.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.errors import MotifError
from cisweep.genome.motifs import UNIFORM, Motif
from cisweep.kernels import array, kernel

BYTE_LIMIT = 254  # the largest 8-bit loss that a window may have; 255 is where sums saturate
LARGEST_WIDTH = 1000  # the kernel's 16-bit sums hold as many 8-bit losses
LARGEST_TABLE = 1 << 28  # losses over all motifs; 2 GiB of p-values

_distribution = kernel(
    "fimo_distribution",
    None,
    [
        ctypes.c_int64,
        array(np.int32, 1),
        array(np.int64, 1),
        array(np.int32, 2),
        array(np.float64, 1),
        array(np.int64, 1),
        array(np.float64, 1),
        array(np.float64, 1),
    ],
)
_markov_distribution = kernel(
    "fimo_markov_distribution",
    None,
    [
        ctypes.c_int64,
        array(np.int32, 1),
        array(np.int64, 1),
        array(np.int32, 2),
        array(np.float64, 1),
        array(np.float64, 2),
        array(np.int64, 1),
        array(np.float64, 1),
        array(np.float64, 1),
    ],
)


@dataclass(frozen=True)
class ScanTables:
    """What the scan kernel reads, one entry per motif and strand (motif 0 +, 0 -, 1 +, …)."""

    width: np.ndarray  # (E,) int32
    limit: np.ndarray  # (E,) int32, the largest loss of a hit, -1 where no window can be one
    column: np.ndarray  # (E,) int64, first row of the entry in `loss`
    loss: np.ndarray  # (columns, 4) int32
    limit8: np.ndarray  # (E,) uint8, limit of the pair tables
    block: np.ndarray  # (E,) int64, first pair table of the entry
    pairs: np.ndarray  # (blocks, 16) uint8, loss of base i + 4 * base j in two columns


@dataclass(frozen=True)
class ScoreModel:
    """Motifs made ready for scanning by `prepare_motifs`.

    A *cell* is a reportable pair (motif, loss); cells of motif m are numbered from
    cell_offset[m], and p_value[cell] is exact and rises with the loss. Hits of one cell share
    score and p-value, so counts per cell are all that q-values need (see `qvalues`).
    """

    names: tuple[str, ...]
    widths: np.ndarray  # (M,) int64
    best_bins: np.ndarray  # (M,) int64, the best score in bins
    bin_size: float
    threshold: float
    background: np.ndarray  # (4,) float64 that sums to 1
    both_strands: bool
    cell_offset: np.ndarray  # (M + 1,) int64
    p_value: np.ndarray  # (cells,) float64
    tables: ScanTables = field(repr=False)

    @property
    def overlap_bp(self) -> int:
        """Return how far pieces must overlap so that each match lies within one: longest - 1."""
        return max(int(self.widths.max(initial=1)) - 1, 0)

    @property
    def n_strands(self) -> int:
        """Return how many strands are scanned."""
        return 2 if self.both_strands else 1

    def cells(self, motif_idx: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return the (N,) int64 cell of each hit from its motif and score."""
        loss = self.best_bins[motif_idx] - np.rint(score / self.bin_size).astype(np.int64)
        return self.cell_offset[motif_idx] + loss


def background_from_counts(base_counts: Sequence[int]) -> np.ndarray:
    """Return the (4,) float64 background of strand-blind base counts (A C G T).

    Complementary letters share their mean, as a scan of both strands sees them. Raises
    MotifError when a letter never occurs. Counts of pieces are merged by adding them:
    `np.bincount(tokens, minlength=5)[:4]`.
    """
    counts = np.asarray(base_counts, dtype=np.float64)
    return _background(counts / max(counts.sum(), 1.0), both_strands=True)


def prepare_motifs(
    motifs: Sequence[Motif] | Mapping[str, Any],
    *,
    background: Sequence[float] | MarkovBackground = UNIFORM,
    bin_size: float = 0.1,
    pseudocount: float = 1e-4,
    threshold: float = 1e-4,
    reverse_complement: bool = True,
) -> ScoreModel:
    """Return integer scores, exact p-values and scan tables of `motifs`, built once per run.

    Parameters: `motifs`, a list of Motif or a dict name → (4, width) probabilities; `background`,
    the probabilities of A C G T (when both strands are scanned, complementary letters share
    their mean, as in MEME) or a chain of order 1; `bin_size` in bits; `pseudocount`, added to each
    probability, which is not renormalised; `threshold`, a hit has p < threshold.
    Raises MotifError for no motif, an impossible option or a matrix that is no matrix.
    Source: FIMO (Grant 2011) with memelite 0.5's weights; memelite scores with unrounded weights
    what it tests against rounded ones, here both are the integers.
    """
    _check_options(bin_size, pseudocount, threshold)
    named = _named(motifs)
    chain = background if isinstance(background, MarkovBackground) else None
    given = np.asarray(background if chain is None else chain.share, dtype=np.float64)
    share = _background(given, reverse_complement)
    widths = np.array([m.width for m in named], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(widths)])
    bins = _bins(named, share, bin_size, pseudocount)
    best = bins.max(axis=1)
    loss = np.ascontiguousarray(best[:, None] - bins, dtype=np.int32)
    survival, offset = _all_p_values(loss, widths, first, share, chain)
    limit = _limits(survival, offset, threshold)
    keep = np.concatenate(
        [np.arange(a, a + k + 1) for a, k in zip(offset[:-1], limit)] or [np.empty(0, np.int64)]
    ).astype(np.int64)
    return ScoreModel(
        names=tuple(m.name for m in named),
        widths=widths,
        best_bins=np.add.reduceat(best, first[:-1]).astype(np.int64),
        bin_size=float(bin_size),
        threshold=float(threshold),
        background=share,
        both_strands=reverse_complement,
        cell_offset=np.concatenate([[0], np.cumsum(limit + 1)]).astype(np.int64),
        p_value=survival[keep],
        tables=_scan_tables(loss, widths, first, limit, reverse_complement),
    )


def _check_options(bin_size: float, pseudocount: float, threshold: float) -> None:
    for name, value in (("bin_size", bin_size), ("threshold", threshold)):
        if not value > 0 or not np.isfinite(value):
            raise MotifError(f"{name} is {value}", where="fimo", mend=f"give {name} above 0")
    if not 0 <= pseudocount < np.inf:
        raise MotifError(f"pseudocount is {pseudocount}", where="fimo", mend="give 0 or more")


def _named(motifs: Sequence[Motif] | Mapping[str, Any]) -> list[Motif]:
    if isinstance(motifs, Mapping):
        motifs = [Motif(str(name), "", _as_array(pwm)) for name, pwm in motifs.items()]
    if len(motifs) == 0:
        raise MotifError("there is no motif to scan for", mend="give at least one motif")
    for motif in motifs:
        if motif.width > LARGEST_WIDTH:
            raise MotifError(
                f"motif {motif.name} has {motif.width} positions",
                where="fimo",
                mend=f"give motifs of at most {LARGEST_WIDTH} positions",
            )
    return list(motifs)


def _as_array(pwm: Any) -> np.ndarray:
    """Return a matrix as numpy; a tensor is known by what it can do, torch is not imported."""
    return pwm.detach().cpu().numpy() if hasattr(pwm, "detach") else np.asarray(pwm)


def _background(share: np.ndarray, both_strands: bool) -> np.ndarray:
    if share.shape != (4,) or not (share > 0).all() or not abs(share.sum() - 1) < 1e-3:
        raise MotifError(
            f"the background is {share.tolist()}",
            where="fimo",
            mend="give four probabilities above 0 of A C G T that sum to 1",
        )
    if both_strands:
        share = (share + share[::-1]) / 2
    return share / share.sum()


def _bins(
    motifs: list[Motif], background: np.ndarray, bin_size: float, pseudocount: float
) -> np.ndarray:
    """Return the (columns, 4) int64 scores in bins of all motifs' columns, one after another."""
    shares = np.concatenate([m.pwm for m in motifs], axis=1).T + pseudocount
    if not (shares > 0).all():
        raise MotifError(
            "a matrix holds zeros and the pseudocount is 0",
            where="fimo",
            mend="give a pseudocount above 0, for example 1e-4",
        )
    # Two logarithms as memelite has them, so that ties of the rounding fall alike.
    return np.rint((np.log2(shares) - np.log2(background)) / bin_size).astype(np.int64)


def _all_p_values(
    loss: np.ndarray,
    widths: np.ndarray,
    first: np.ndarray,
    background: np.ndarray,
    chain: MarkovBackground | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return P(loss <= k) of every motif, one after another, and the motifs' offsets."""
    sizes = np.add.reduceat(loss.max(axis=1), first[:-1], dtype=np.int64) + 1
    offset = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if offset[-1] > LARGEST_TABLE:
        raise MotifError(
            f"the score tables would hold {offset[-1]} numbers",
            where="fimo",
            mend="give a larger bin_size",
        )
    survival = np.empty(offset[-1])
    scratch = np.empty(int(sizes.max()) * (8 if chain else 1))
    motifs = (len(widths), widths.astype(np.int32), first[:-1].astype(np.int64), loss)
    if chain:
        _markov_distribution(*motifs, chain.share, chain.transition, offset, survival, scratch)
    else:
        _distribution(*motifs, background, offset, survival, scratch)
    return np.minimum(survival, 1.0, out=survival), offset


def _limits(survival: np.ndarray, offset: np.ndarray, threshold: float) -> np.ndarray:
    """Return each motif's largest loss with p < threshold, -1 where there is none."""
    return np.add.reduceat(survival < threshold, offset[:-1], dtype=np.int64) - 1


def _scan_tables(
    loss: np.ndarray, widths: np.ndarray, first: np.ndarray, limit: np.ndarray, both: bool
) -> ScanTables:
    columns = [loss[a : a + w] for a, w in zip(first[:-1], widths)]
    if both:
        # On the - strand a window is read backwards, letter by complement: both axes flip.
        columns = [strand for c in columns for strand in (c, c[::-1, ::-1])]
    step = 2 if both else 1
    width, limit = np.repeat(widths, step), np.repeat(limit, step)
    divisor = np.maximum(limit, 0) // BYTE_LIMIT + 1
    n_blocks = (width + 1) // 2
    return ScanTables(
        width=width.astype(np.int32),
        limit=limit.astype(np.int32),
        column=np.concatenate([[0], np.cumsum(width)[:-1]]).astype(np.int64),
        loss=np.ascontiguousarray(np.concatenate(columns)),
        limit8=(np.maximum(limit, 0) // divisor).astype(np.uint8),
        block=np.concatenate([[0], np.cumsum(n_blocks)[:-1]]).astype(np.int64),
        pairs=_pair_tables(columns, n_blocks, divisor),
    )


def _pair_tables(columns: list[np.ndarray], n_blocks: np.ndarray, divisor: np.ndarray):
    """Return (blocks, 16) uint8 divided, rounded-down losses of two columns for two bases."""
    none = np.zeros((1, 4), dtype=np.int32)
    padded = [part for c in columns for part in ((c, none) if len(c) % 2 else (c,))]
    two = np.concatenate(padded).reshape(-1, 2, 4)
    total = two[:, 1, :, None] + two[:, 0, None, :]
    small = total.reshape(-1, 16) // np.repeat(divisor, n_blocks)[:, None]
    return np.minimum(small, 255).astype(np.uint8)
