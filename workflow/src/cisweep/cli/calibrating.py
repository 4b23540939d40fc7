"""How fast the models of a run are on this machine, from some of its own windows."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cisweep.contracts import Windows
from cisweep.plan.chunk_windows import usable_windows
from cisweep.plan.contents.null_stretches import NullStretches
from cisweep.plan.plan import Plan
from cisweep.steps.attribute import all_of_a_window, explained_targets

WINDOWS = 2000
"""Windows that are predicted, about: so many tell which share of them is selected."""
CHUNKS = 8
"""Chunks that they are from, at most, where none is selected."""
EXPLAINED = 2
"""Batches whose attributions are timed."""


@dataclass(frozen=True)
class Speed:
    """What one model takes, seconds a window, of a core or of the GPU.

    predicted, shuffled, attributed: for a prediction, that of a shuffled window, an attribution;
    share: of the windows that is selected; targets: at a window that is explained; device: where it
    was measured; memory_mb: the most that it took.
    """

    predicted: float
    shuffled: float
    attributed: float
    share: float
    targets: float
    device: str
    memory_mb: float


def start_seconds(modules: str) -> float:
    """Return the CPU seconds in which a Python starts and imports modules, as each job does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def calibrated(plan: Plan, name: str) -> Speed:
    """Return how fast a model is, on the device of the run or, where there is none, on the CPU."""
    import torch

    wanted = plan.config.device
    device = wanted if wanted == "cpu" or torch.cuda.is_available() else "cpu"
    run = _Run.of(plan, name, device)
    predicted, values = run.timed(run.predicted)
    shuffled, nulls = run.timed(run.nulls) if run.has_null else (0.0, [])
    share, peaks = run.selected(values, nulls) if plan.is_on("select") else (1.0, 1.0)
    targets = run.explained(peaks) if plan.is_on("attribute") else 0.0
    attributed = run.attributed(round(targets)) if targets else 0.0
    if device == "cpu":
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    else:
        memory = torch.cuda.max_memory_allocated() / 2**20
    n = len(run.windows)
    return Speed(predicted / n, shuffled / n, attributed, share, targets, device, memory)


@dataclass(frozen=True)
class _Run:
    """A model, and places of its run: windows side by side, tokens (L,), place of the first."""

    plan: Plan
    name: str
    device: str
    model: Any
    places: list[tuple[Windows, np.ndarray, int]]

    @classmethod
    def of(cls, plan: Plan, name: str, device: str) -> "_Run":
        from cisweep.models.ensemble import Ensemble

        return cls(plan, name, device, Ensemble.load(plan.models[name], device),
                   _places(plan, name))  # fmt: skip

    @property
    def windows(self) -> Windows:
        return Windows.concatenate([windows for windows, _, _ in self.places])

    @property
    def tokens(self) -> np.ndarray:
        return np.concatenate([
            np.lib.stride_tricks.sliding_window_view(tokens, self.plan.models[self.name].window_bp)[
                windows.start - start
            ]
            for windows, tokens, start in self.places
        ])  # fmt: skip

    @property
    def has_null(self) -> bool:
        """Are peaks compared with shuffled sequence?"""
        return self.plan.is_on("select") and self.plan.step_config("select").null_windows > 0

    def timed(self, do: Callable[[], Any]) -> tuple[float, Any]:
        """Return the seconds that a call takes: of the CPU, or those in which a GPU is waited
        for."""
        clock = time.process_time if self.device == "cpu" else time.perf_counter
        begin = clock()
        found = do()
        return clock() - begin, found

    def _predict(self, windows: Windows, tokens: np.ndarray) -> np.ndarray:
        from cisweep.analysis.prediction.windows import predict_windows

        step = self.plan.step_config("predict")
        size = 256 if step is None else step.batch_size
        inputs = self.plan.inputs(self.name, windows)
        return predict_windows(self.model, windows, tokens, inputs, batch_size=size).mean

    def predicted(self) -> np.ndarray:
        """Return the predictions (N, T) of all windows."""
        return self._predict(self.windows, self.tokens)

    def nulls(self) -> list[Any]:
        """Return the null of each target, from one shuffle of each place."""
        from cisweep.analysis.prediction.peak_null import null_peaks

        distance = NullStretches(self.plan, self.name).distance_bp
        n, seed = len(self.plan.models[self.name].targets), self.plan.config.seed
        return null_peaks(self.places, n, self._predict, draws=1, seed=seed, distance_bp=distance)

    def selected(self, values: np.ndarray, nulls: list[Any]) -> tuple[float, float]:
        """Return which share of the windows is selected, as the step select does, and of how many
        targets such a window is a peak; values: (N, T).

        Of top_n it takes the rank, as far as the sample goes.
        """
        from cisweep.analysis.prediction.peak_selection import PeakRules, predicted_peaks

        step, config = self.plan.step_config("select"), self.plan.models[self.name]
        targets = config.target_names
        rules = PeakRules(
            NullStretches(self.plan, self.name).distance_bp, step.fdr, None, step.threshold
        )
        chosen = config.chosen(step.targets)
        found = predicted_peaks(
            lambda: [(self.windows, values)],
            chosen,
            rules,
            columns=[targets.index(target) for target in chosen],
            nulls=dict(zip(targets, nulls)) or None,
        )
        selected = found.peaks[["chrom", "start", "end"]].drop_duplicates()
        each = len(found.peaks) / len(selected) if len(selected) else 1.0
        return len(selected) / max(len(self.windows), 1), each

    def explained(self, peaks: float) -> float:
        """Return how many targets are explained at a window; peaks: targets of a selected one."""
        step, config = self.plan.step_config("attribute"), self.plan.models[self.name]
        if all_of_a_window(step, self.plan.is_on("select")):
            return float(len(explained_targets(step, config)))
        return max(peaks, 1.0)

    def attributed(self, n_targets: int) -> float:
        """Return the seconds that the attribution of a window takes, for so many targets."""
        from cisweep.analysis.attribution.references import references_of
        from cisweep.analysis.attribution.windows import attribute_pairs

        step = self.plan.step_config("attribute")
        references = references_of(step, self.plan.config.seed, 1)

        def explain(first: int, n: int) -> int:
            rows = slice(first, first + n)
            windows = self.windows.take(rows)
            wanted = np.arange(len(self.model.config.targets)) < n_targets
            attribute_pairs(
                self.model, windows, self.tokens[rows], self.plan.inputs(self.name, windows),
                references, np.tile(wanted, (len(windows), 1)), batch_size=step.batch_size,
                method=step.method, gradient_correction=step.gradient_correction,
            )  # fmt: skip
            return len(windows)

        explain(0, step.batch_size)  # sets up what the others use
        seconds, n = self.timed(partial(explain, step.batch_size, EXPLAINED * step.batch_size))
        if not n:  # a run of few windows
            seconds, n = self.timed(partial(explain, 0, step.batch_size))
        # A batch is filled up, whatever it holds.
        return seconds / n


def _places(plan: Plan, name: str) -> list[tuple[Windows, np.ndarray, int]]:
    """Return places all over the run, with about WINDOWS windows in all.

    Where windows are selected a place is a stretch of windows side by side, of which the highest
    are peaks; else it is one window.
    """
    found, n = [], 0
    for place in _stretches(plan, name) if plan.is_on("select") else _of_chunks(plan, name):
        if len(place[0]):
            found.append(place)
            n += len(place[0])
        if n >= WINDOWS:
            break
    return found


def _stretches(plan: Plan, name: str) -> Iterator[tuple[Windows, np.ndarray, int]]:
    null = NullStretches(plan, name)
    for i in _shuffled(len(null.drawn)):
        yield null.place(null.drawn[i])


def _of_chunks(plan: Plan, name: str) -> Iterator[tuple[Windows, np.ndarray, int]]:
    chunks = plan.chunks(name)
    few = [chunks[i] for i in _shuffled(len(chunks))[:CHUNKS]]
    for chunk in few:
        found = usable_windows(plan, name, chunk)
        n = len(found.windows)
        for row in np.unique(np.linspace(0, n - 1, WINDOWS // len(few)).astype(int)) if n else ():
            rows = slice(row, row + 1)
            one = found.windows.take(rows)
            yield one, found.tokens[rows][0], int(one.start[0])


def _shuffled(n: int) -> list[int]:
    """Return all numbers below n, of which the first ones lie all over them."""
    return np.random.default_rng(0).permutation(n).tolist()
