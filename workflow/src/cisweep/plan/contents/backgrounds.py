"""Background windows for experiments with motifs: drawn from the genome by hash alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cisweep.bases import gc_share
from cisweep.contracts import TOKEN_N, Windows, seed_of
from cisweep.errors import RegionError
from cisweep.genome.fasta import SequenceSource, window_tokens
from cisweep.plan.chunk_windows import read_peaks
from cisweep.plan.fold_chroms import check_chroms, long_enough
from cisweep.plan.plan import Plan

_AT_ONCE = 256  # windows whose bases are looked at together
_TRIES = 2000  # draws for one window before the genome is said to have none


def sample_order(windows: Windows, seed: int) -> np.ndarray:
    """Return all rows in an order without meaning, that of hashes of the windows' coordinates."""
    hashes = np.array([seed_of(seed, "background", key) for key in windows.keys()], np.uint64)  # noqa: SIM118
    return np.argsort(hashes, kind="stable")


def random_windows(
    source: SequenceSource,
    chroms: Sequence[str],
    window_bp: int,
    n: int,
    seed: int,
    gc: np.ndarray | None = None,
    tolerance: float = 0.02,
) -> tuple[Windows, np.ndarray]:
    """Return n windows without N, uniform over the chromosomes, and their tokens (n, W) uint8.

    gc: (n,) share of C and G that each window must have, within `tolerance`, or else the nearest of
    2000 draws; None: any. Draw k of window i depends on (seed, i, k) alone. Raises RegionError if
    no window without N is found.
    """
    usable = {c: source.lengths[c] - window_bp + 1 for c in chroms}
    usable = {c: size for c, size in usable.items() if size > 0}
    if not usable:
        raise RegionError(f"no chromosome is as long as a window of {window_bp} bp")
    names, ends = list(usable), np.cumsum(list(usable.values()))
    found = []
    for i in range(n):
        best, nearest = None, np.inf
        for chrom, start in _draws(names, ends, seed, i):
            tokens = source.tokens(chrom, start, start + window_bp)
            if (tokens == TOKEN_N).any():
                continue
            away = 0.0 if gc is None else abs(float(gc_share(tokens[None])[0] - gc[i]))
            if away < nearest:
                best, nearest = (chrom, start, tokens), away
            if away <= tolerance:
                break
        if best is None:
            raise RegionError(
                f"{_TRIES} random windows of {window_bp} bp all contain N",
                mend="set steps.marginalize.backgrounds or steps.space.backgrounds: shuffled, or "
                "take more chromosomes",
            )
        found.append(best)
    starts = np.array([f[1] for f in found], dtype=np.int64)
    windows = Windows.build([f[0] for f in found], starts, starts + window_bp)
    return windows, np.array([f[2] for f in found], dtype=np.uint8)


def _draws(names: list[str], ends: np.ndarray, seed: int, i: int) -> Iterator[tuple[str, int]]:
    for k in range(_TRIES):
        place = seed_of(seed, "background", str(i), k) % int(ends[-1])
        c = int(np.searchsorted(ends, place, side="right"))
        yield names[c], place - (int(ends[c - 1]) if c else 0)


def read_windows(
    source: SequenceSource, windows: Windows, n: int, seed: int
) -> tuple[Windows, np.ndarray]:
    """Return n sampled windows without N, and their tokens."""
    order, good = sample_order(windows, seed), []
    for begin in range(0, len(order), _AT_ONCE):
        rows = order[begin : begin + _AT_ONCE]
        tokens = window_tokens(source, windows.chrom[rows], windows.start[rows], windows.end[rows])
        good += rows[~(tokens == TOKEN_N).any(axis=1)].tolist()
        if len(good) >= n:
            break
    kept = windows.take(np.sort(np.array(good[:n], dtype=np.int64)))
    return kept, window_tokens(source, kept.chrom, kept.start, kept.end)


def region_windows(plan: Plan, model: str, peaks: Path | None = None) -> Windows:
    """Return the selected peaks, or all given regions, in genome order.

    Raises RegionError for tiles without peaks: there are too many, and they overlap.
    """
    if peaks is not None:
        return read_peaks(peaks)
    if plan.given is None:
        raise RegionError(
            "the regions are tiles of the genome",
            where="regions.tile",
            mend="turn on the step select, or give regions.bed",
        )
    parts = [plan.windows(model, chunk)[0] for chunk in plan.chunks(model)]
    return Windows.concatenate(parts)


def region_sample(
    plan: Plan, model: str, n: int, peaks: Path | None = None
) -> tuple[Windows, np.ndarray]:
    """Return at most n windows that experiments start from, and their tokens (n, W) uint8.

    They are the selected peaks; where none is selected, the given regions, and for tiles any
    windows of the wanted chromosomes. None has N. Raises RegionError if there are none.
    """
    seed, width = plan.config.seed, plan.models[model].window_bp
    if peaks is not None and not len(read_peaks(peaks)):
        peaks = None
    if peaks is None and plan.given is None:
        chroms = [c for c in plan.source.lengths if plan.wanted(c)]
        return random_windows(plan.source, chroms, width, n, seed)
    found = read_windows(plan.source, region_windows(plan, model, peaks), n, seed)
    if not len(found[0]):
        raise RegionError("no region is free of N", mend="give other regions")
    return found


def check_backgrounds(plan: Plan, step: str) -> None:
    """Raise a ConfigError if no fold reads a chromosome of the backgrounds of a step."""
    if plan.step_config(step).backgrounds == "shuffled":
        return
    for name, model in plan.models.items():
        check_chroms(name, model, long_enough(plan, model), f"steps.{step}.backgrounds")
