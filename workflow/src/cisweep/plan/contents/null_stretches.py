"""Where the null of `select` is drawn: stretches of the run's own windows, to be shuffled.

A stretch is windows side by side, as a place in the genome; so peaks can be called on its shuffled
sequence as they are on the genome. Which stretches are drawn follows from the config, the .fai and
the BED alone, never from chunks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cisweep.contracts import Windows, digest, seed_of
from cisweep.genome.fasta import window_tokens
from cisweep.genome.regions import drop_n, n_tiles
from cisweep.plan.chunks import doubled, split_items, windows_digest
from cisweep.plan.plan import Plan
from cisweep.plan.workload import bases_of_job
from cisweep.steps.select import STEP

MOST_JOBS = 32
"""Jobs that predict the null at most, of which no run needs more than steps.select.null_windows."""
SPAN = 50
"""Lengths of a window that a stretch spans at most: its two ends, where a window lacks neighbours
that could be higher, are few against it."""


@dataclass(frozen=True)
class Stretch:
    """The windows of `chrom` whose centre lies in [low, high); size_bp: about how many bases."""

    chrom: str
    low: int
    high: int
    size_bp: int


@dataclass(frozen=True)
class NullStretches:
    """The stretches that the null of a model's peaks is drawn from."""

    plan: Plan
    model: str

    @property
    def _window_bp(self) -> int:
        return self.plan.models[self.model].window_bp

    @property
    def distance_bp(self) -> int:
        """A peak is the highest window within this distance."""
        return self.plan.step_config("select").min_distance_bp or self._window_bp

    # ---- which stretches -----------------------------------------------------------------

    @cached_property
    def n_windows(self) -> int:
        """Windows of the run, those with too many N counted too."""
        if self.plan.given is not None:
            return len(self._given[0])
        return sum(n for _, n, _ in self._tiled.values())

    @cached_property
    def draws(self) -> int:
        """How often each stretch is shuffled."""
        step = self.plan.step_config("select")
        return max(1, min(step.draws, step.null_windows // max(self.n_windows, 1)))

    @cached_property
    def drawn(self) -> list[Stretch]:
        """The stretches, in genome order; evenly spaced where the run has more than are wanted."""
        wanted = self.plan.step_config("select").null_windows
        if not wanted:
            return []
        total = self._n_stretches
        if self.n_windows <= wanted:
            return list(self._stretches(range(total)))
        n = max(1, total * wanted // self.n_windows)
        shift = seed_of(self.plan.config.seed, "select", "stretches") / 2.0**64
        return list(self._stretches([int((i + shift) * total / n) for i in range(n)]))

    @cached_property
    def _tiled(self) -> dict[str, tuple[int, int, int]]:
        """Chromosome -> its first tile, its number of tiles, and the end of what is tiled."""
        tile, found = self.plan.config.regions.tile, {}
        for chrom, length in self.plan.source.lengths.items():
            part = tile.part(0, length) if self.plan.wanted(chrom) else None
            if part is not None:
                first, last = (n_tiles(bp, self._window_bp, tile.stride_bp) for bp in part)
                found[chrom] = (first, last - first, part[1])
        return found

    @cached_property
    def _given(self) -> tuple[np.ndarray, np.ndarray]:
        """Chromosome and centre of each window of given regions."""
        return self.plan.placed_centres(self.model)

    @cached_property
    def _tiles_of_stretch(self) -> int:
        return max(1, SPAN * self._window_bp // self.plan.config.regions.tile.stride_bp)

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Number of stretches of each tiled chromosome."""
        return {c: -(-n // self._tiles_of_stretch) for c, (_, n, _) in self._tiled.items()}

    @cached_property
    def _runs(self) -> np.ndarray:
        """Rows at which the stretches of given regions begin, and the number of rows.

        A stretch is neighbours that could be each other's better, without a gap.
        """
        (chrom, centre), reach = self._given, max(self._window_bp, self.distance_bp)
        if not len(centre):
            return np.zeros(1, dtype=np.int64)
        gap = (np.diff(centre) >= reach) | (chrom[1:] != chrom[:-1])
        edges = [0, *(1 + np.flatnonzero(gap)).tolist(), len(centre)]
        found = [0]
        for first, end in zip(edges, edges[1:]):
            # Windows of one place, on two strands, stay together: the next begins at the first
            # centre that is far enough.
            while first < end:
                full = centre[first] + SPAN * self._window_bp
                if centre[end - 1] < full:
                    first = end
                else:
                    first += int(np.searchsorted(centre[first:end], full))
                found.append(first)
        return np.array(found)

    def _run(self, row: int) -> Stretch:
        chrom, centre = self._given
        first, end = self._runs[row : row + 2].tolist()
        low, high = int(centre[first]), int(centre[end - 1]) + 1
        return Stretch(chrom[first], low, high, (end - first) * self._window_bp)

    @property
    def _n_stretches(self) -> int:
        return len(self._runs) - 1 if self.plan.given is not None else sum(self._counts.values())

    def _stretches(self, rows: list[int] | range) -> Iterator[Stretch]:
        """Yield stretches by their rows (ascending) among all of the run."""
        if self.plan.given is not None:
            yield from map(self._run, rows)
            return
        stride, half = self.plan.config.regions.tile.stride_bp, self._window_bp // 2
        span = self._tiles_of_stretch * stride
        ends = np.cumsum(list(self._counts.values()))
        names = list(self._counts)
        for row in rows:
            c = int(np.searchsorted(ends, row, side="right"))
            first, _, end = self._tiled[names[c]]
            low = (row - int(ends[c]) + self._counts[names[c]]) * span + first * stride + half
            yield Stretch(names[c], low, min(low + span, end), span)

    # ---- jobs ----------------------------------------------------------------------------

    @cached_property
    def chunks(self) -> dict[str, range]:
        """Chunk -> its stretches, as rows of `drawn`: one job handles chunk_bp or more, in all
        draws."""
        sizes = [stretch.size_bp for stretch in self.drawn]
        return split_items(sizes, doubled(bases_of_job(self.plan), sum(sizes), MOST_JOBS))

    @property
    def settings(self) -> str:
        """Hash of what determines the null beside the stretches and the bytes of model and source.
        It is the same for all chunks."""
        run = (STEP.version, self.plan.config.seed, self.plan.model_key(self.model))
        return digest(run, self.draws, self.distance_bp, self.plan.config.regions.max_n)

    def key(self, chunk: str) -> str:
        """Return a hash of the windows that are shuffled in a chunk."""
        rows = self.chunks[chunk]
        drawn = [(s.chrom, s.low, s.high) for s in self.drawn[rows.start : rows.stop]]
        if self.plan.given is None:
            return self.plan.tiles_key(self.model, drawn)
        return windows_digest(self.plan.windows_of_stretches(self.model, drawn))

    def _windows(self, stretch: Stretch) -> Windows:
        return self.plan.windows_between(self.model, stretch.chrom, stretch.low, stretch.high)

    def place(self, stretch: Stretch) -> tuple[Windows, np.ndarray, int]:
        """Return a stretch's usable windows, its tokens (L,) and the place of the first of them."""
        windows = self._windows(stretch)
        if not len(windows):
            return windows, np.empty(0, np.uint8), 0
        start, end = int(windows.start.min()), int(windows.end.max())
        tokens = window_tokens(
            self.plan.source, windows.chrom[:1], np.array([start]), np.array([end])
        )[0]
        rows = np.lib.stride_tricks.sliding_window_view(tokens, self._window_bp)
        usable, _, _ = drop_n(windows, rows[windows.start - start], self.plan.config.regions.max_n)
        return usable, tokens, start
