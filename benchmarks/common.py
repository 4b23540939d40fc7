"""Interleaved timing of rivals in one process; ratios of medians are what counts.

A benchmark file `bench_<task>.py` defines `rows(quick: bool) -> list[dict]`, each row made by
`compare`. `python -m benchmarks.run` collects them into RESULTS.md.
"""

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np


def compare(
    task: str,
    rivals: dict[str, Callable[[], object]],
    *,
    repeats: int = 5,
    goals: dict[str, float] | None = None,
    check: str = "",
    warm_up: bool = True,
) -> dict:
    """Return median process CPU seconds of each rival; the first one is cisweep.

    Runs are interleaved (a, b, a, b, …), since the machine's load drifts. `goals` gives the
    ratio rival / cisweep that is aimed at; `check` says how equal the results were.
    """
    if warm_up:
        for run in rivals.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, run in rivals.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ours = next(iter(medians))
    return {
        "task": task,
        "medians": medians,
        "ratios": {n: medians[n] / max(medians[ours], 1e-9) for n in medians if n != ours},
        "goals": goals or {},
        "check": check,
    }


class AllPairs:
    """Attributions of all targets at all windows, arrays (T, N, ...), as pairs of which every one
    is wanted."""

    def __init__(self, found: Any):
        self._found = found

    def of(self, target_idx: int) -> tuple[np.ndarray, SimpleNamespace]:
        """Return all rows, and what was found of a target."""
        arrays = {name: values[target_idx] for name, values in vars(self._found).items()}
        return np.arange(len(arrays["projected"])), SimpleNamespace(**arrays)
