"""Sorted numbers, in memory or on disk: order statistics, ranks and merges with bounded memory.

A run is an ascending one-dimensional float64 array; a memory-mapped file serves as well, since
only single entries are read. Nothing here copies a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cisweep.errors import ProductError

_FAN_IN = 128
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Magnitudes:
    """The absolute values, ascending, of a run whose entries all have one sign."""

    run: np.ndarray
    negative: bool = False

    def __len__(self) -> int:
        return len(self.run)

    def __getitem__(self, rank: int) -> float:
        return float(-self.run[len(self.run) - 1 - rank] if self.negative else self.run[rank])

    def below(self, values: np.ndarray | float, or_equal: bool = False) -> np.ndarray:
        """Return how many magnitudes are below (or at) each of `values`."""
        if not self.negative:
            return np.searchsorted(self.run, values, side="right" if or_equal else "left")
        side = "left" if or_equal else "right"
        return len(self.run) - np.searchsorted(self.run, np.negative(values), side=side)


def by_sign(run: np.ndarray) -> tuple[Magnitudes, Magnitudes]:
    """Return the entries >= 0 and those < 0 of a run, as magnitudes."""
    zero = np.searchsorted(run, 0.0)
    return Magnitudes(run[zero:]), Magnitudes(run[:zero], negative=True)


def pooled_order_statistic(left: Magnitudes, right: Magnitudes, rank: int) -> float:
    """Return the entry with `rank` (from 0) smaller or equal ones before it, of both together."""
    low, high = max(0, rank - len(right)), min(rank, len(left))
    while low < high:  # how many of the first `rank` entries come from the left
        middle = (low + high) // 2
        if left[middle] < right[rank - middle - 1]:
            low = middle + 1
        else:
            high = middle
    heads = [left[low]] if low < len(left) else []
    if rank - low < len(right):
        heads.append(right[rank - low])
    return min(heads)


def quantile(entry: Sequence[float] | np.ndarray, n: int, q: float) -> float:
    """Return quantile `q` of `n` ascending entries, interpolated to the bit as np.quantile does."""
    at = (n - 1) * q
    rank = int(np.floor(at))
    share = at - rank
    low, high = entry[rank], entry[min(rank + 1, n - 1)]
    step = high - low
    return float(high - step * (1 - share) if share >= 0.5 else low + step * share)


@dataclass(frozen=True)
class Pooled:
    """Two series of magnitudes as one ascending sequence."""

    left: Magnitudes
    right: Magnitudes

    def __len__(self) -> int:
        return len(self.left) + len(self.right)

    def __getitem__(self, rank: int) -> float:
        return pooled_order_statistic(self.left, self.right, rank)

    def below(self, value: float) -> int:
        """Return how many magnitudes are below `value`."""
        return int(self.left.below(value) + self.right.below(value))


def save_run(path: str | PathLike, values: np.ndarray) -> None:
    """Write `values` (any shape) as a run: an ascending float64 .npy file."""
    with open(path, "wb") as file:
        np.save(file, np.sort(values, axis=None).astype(np.float64, copy=False))


def open_run(path: str | PathLike) -> np.ndarray:
    """Return the run of a file, memory-mapped; ProductError if it is not one."""
    try:
        run = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ProductError(
            f"not a run of sorted numbers ({error})", where=str(path), mend="make it again"
        ) from error
    if run.ndim != 1 or run.dtype != np.float64:
        raise ProductError(
            f"a run is one-dimensional float64, got {run.dtype} {run.shape}", where=str(path)
        )
    return run


def merge_runs(paths: Sequence[str | PathLike], out: str | PathLike) -> np.ndarray:
    """Write the merge of run files to `out` and return it, memory-mapped, read-only.

    Memory holds a block of about 4 million numbers; disk holds the numbers twice beside `out`
    where there are more than 128 files. Raises ProductError without files.
    """
    if not paths:
        raise ProductError("there are no runs to merge", where=str(out), mend="pass at least one")
    with TemporaryDirectory(dir=Path(out).parent, prefix=".runs-") as folder:
        level, current = 0, [Path(path) for path in paths]
        while len(current) > _FAN_IN:
            groups = [current[i : i + _FAN_IN] for i in range(0, len(current), _FAN_IN)]
            merged = [Path(folder) / f"{level}-{i}.npy" for i in range(len(groups))]
            for group, path in zip(groups, merged):
                _merge_group([open_run(part) for part in group], path)
            level, current = level + 1, merged
        _merge_group([open_run(part) for part in current], Path(out))
    return open_run(out)


def _merge_group(runs: list[np.ndarray], out: Path) -> None:
    total = sum(len(run) for run in runs)
    if not total:
        save_run(out, np.empty(0))
        return
    merged = np.lib.format.open_memmap(out, mode="w+", dtype=np.float64, shape=(total,))
    step = max(_BLOCK // len(runs), 1)
    at, done = [0] * len(runs), 0
    while done < total:
        # Every entry below the bound lies in the next `step` of its run; those at the bound may
        # be any number (attributions of padding are all zero) and are written without a sort.
        ends = [run[min(i + step, len(run)) - 1] for run, i in zip(runs, at) if i < len(run)]
        bound = min(ends)
        below = [i + int(np.searchsorted(run[i : i + step], bound)) for run, i in zip(runs, at)]
        block = np.sort(np.concatenate([run[i:j] for run, i, j in zip(runs, at, below)]))
        merged[done : done + len(block)] = block
        done += len(block)
        at = [int(np.searchsorted(run, bound, side="right")) for run in runs]
        equal = sum(at) - done
        merged[done : done + equal] = bound
        done += equal
    merged.flush()
