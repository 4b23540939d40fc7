"""The windows whose bases the step ism mutates: rows of its BED, selected peaks, or all regions."""

from bisect import bisect_left
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.contracts import Windows, digest, split_names
from cisweep.errors import ConfigError
from cisweep.genome.regions import (
    Regions,
    check_dropped,
    read_bed,
    readable_bed,
    to_windows,
)
from cisweep.plan.chunk_windows import ChunkWindows, usable_windows, without_n
from cisweep.plan.chunks import chunk_index, windows_digest
from cisweep.plan.contents import Check
from cisweep.plan.fold_chroms import check_chroms
from cisweep.plan.plan import Plan


def chunks(plan: Plan, model: str) -> list[str]:
    """Return the ids of the chunks that may hold regions, in genome order."""
    return _regions(plan).chunks(model)


def chunk_key(plan: Plan, model: str, chunk: str) -> str:
    """Return a hash of the chunk's regions, as far as they are known before the run."""
    return _regions(plan).key(model, chunk)


def checks(plan: Plan) -> list[Check]:
    """Return the check of the step's BED and span."""
    return [_regions(plan).check]


def own_regions(plan: Plan) -> Regions | None:
    """Return the rows of the step's BED."""
    return readable_bed(plan.step_config("ism").bed)


def _regions(plan: Plan) -> "IsmRegions":
    return plan.once("ism", lambda: IsmRegions(plan))


class IsmRegions:
    """The regions of the step ism; its BED is read once for all chunks."""

    def __init__(self, plan: Plan):
        self.plan, self.step = plan, plan.step_config("ism")
        self._placed = cache(self._place)

    def check(self) -> None:
        """Raise a CisweepError if the step's BED or span cannot be used."""
        for name, model in self.plan.models.items():
            span = self.step.span_bp
            if span is not None and span > model.window_bp:
                raise ConfigError(
                    f"span_bp {span} is more than the window of {name} ({model.window_bp} bp)",
                    where="steps.ism.span_bp",
                    mend="set at most the model's window_bp, or null for the whole window",
                )
            if self.step.bed is not None:
                parts = self._placed(name)[0].values()
                check_chroms(name, model, (c for w in parts for c in w.chrom), "steps.ism.bed")

    def _place(self, model: str) -> tuple[dict[str, Windows], pd.DataFrame]:
        """Return chunk -> windows of the BED, and the dropped rows."""
        if not self.plan.is_genome:
            raise ConfigError(
                "the run has sequences and no genome, and a BED gives positions in a genome",
                where="steps.ism.bed",
                mend="leave steps.ism.bed out: all sequences are mutated",
            )
        rows = read_bed(self.step.bed, key="steps.ism.bed")
        windows, dropped = to_windows(rows, self.plan.source.lengths, self.plan.policy(model))
        limit = self.plan.config.regions.max_dropped
        check_dropped(len(rows), dropped, limit, str(self.step.bed), self.plan.source.lengths)
        return self.plan.layout.split(windows), dropped

    def chunks(self, model: str) -> list[str]:
        """Return the ids of the chunks that may hold regions, in genome order."""
        if self.step.bed is None:
            return self.plan.chunks(model)
        return list(self._placed(model)[0])

    def key(self, model: str, chunk: str) -> str:
        """Return a hash of the chunk's regions, as far as they are known before the run."""
        if self.step.bed is None:
            return self.plan.chunk_key(model, chunk)
        placed, dropped = self._placed(model)
        told = dropped.to_csv() if self._tells(model, chunk) else ""
        return digest(windows_digest(placed[chunk]), told, self.plan.config.regions.max_n)

    def _tells(self, model: str, chunk: str) -> bool:
        """Is this the chunk that tells which rows of the BED got no window?"""
        return chunk_index(chunk) == min(map(chunk_index, self._placed(model)[0]))

    def windows(self, model: str, chunk: str, peaks: Path | None) -> ChunkWindows:
        """Return a chunk's windows with their tokens, and the dropped rows.

        peaks: the chosen peaks; None for the BED or all regions. Rows of the BED that got no
        window are told by the first chunk. Regions of the run were accounted for before.
        """
        if self.step.bed is None:
            return usable_windows(self.plan, model, chunk, peaks)
        placed, dropped = self._placed(model)
        own = dropped if self._tells(model, chunk) else dropped[:0]
        return without_n(self.plan, model, placed[chunk], own)

    def span(self, model: str) -> tuple[int, int]:
        """Return the positions [start, end) of the model's window that are mutated."""
        width = self.plan.models[model].window_bp
        kept = self.step.span_bp or width
        start = width // 2 - kept // 2
        return start, start + kept


def strongest_peaks(
    windows: Windows, predictions: dict[str, np.ndarray], top_n: int | None
) -> np.ndarray:
    """Return the rows of the top_n peaks of each target, in their order.

    windows: peaks whose names are the targets of which they are peaks, joined by commas;
    predictions: target -> (N,). A place belongs to one window: a peak that overlaps a stronger one
    of the target is passed over. Ties go to the peak that stands first.
    """
    names = [set(split_names(name)) for name in windows.name]
    chosen: set[int] = set()
    for target, values in predictions.items():
        mine = np.flatnonzero([target in name for name in names])
        order = mine[np.argsort(-values[mine], kind="stable")]
        chosen.update(_apart(windows, order, top_n))
    return np.array(sorted(chosen), dtype=np.int64)


def _apart(windows: Windows, order: np.ndarray, top_n: int | None) -> list[int]:
    """Return the first top_n rows of `order` that overlap none before them."""
    kept: list[int] = []
    taken: dict[str, list[tuple[int, int]]] = {}  # sorted, none overlapping
    for row in order.tolist():
        if top_n is not None and len(kept) >= top_n:
            break
        places = taken.setdefault(windows.chrom[row], [])
        start, end = int(windows.start[row]), int(windows.end[row])
        at = bisect_left(places, (start, end))
        left_free = at == 0 or places[at - 1][1] <= start
        if left_free and (at == len(places) or places[at][0] >= end):
            places.insert(at, (start, end))
            kept.append(row)
    return kept
