"""Data sets that hand out batches; augmentation happens on whole batches, by array operations.

A data set gives `epoch_rows(generator)`, the rows of one epoch in order, and `batch(rows,
generator)`; without a generator nothing is drawn: no jitter, no reverse complement. All draws
come from that generator, so an epoch's batches depend on its seed alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cisweep.errors import TrainingError
from cisweep.sequence.encoding import one_hot_tokens
from cisweep.sequence.tokens import reverse_complement_tokens


@dataclass(frozen=True)
class Batch:
    """Some examples: tokens (B, L) uint8, further inputs of the model, and what to predict."""

    tokens: Tensor
    inputs: tuple[Tensor, ...] = ()
    targets: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    def one_hot(self) -> Tensor:
        """Return (B, 4, L) float32, N all zeros, on the tokens' device."""
        return one_hot_tokens(self.tokens)

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`; copies from pinned memory do not block."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Batch(
            move(self.tokens),
            tuple(move(t) for t in self.inputs),
            {name: move(t) for name, t in self.targets.items()},
        )


class Dataset(Protocol):
    """What `fit` and `evaluate` read."""

    def __len__(self) -> int: ...

    def epoch_rows(self, generator: np.random.Generator) -> np.ndarray:
        """Return the rows of one training epoch, in order."""
        ...

    def batch(self, rows: np.ndarray, generator: np.random.Generator | None = None) -> Batch:
        """Return the examples of `rows`; augmented if a generator is given."""
        ...


@dataclass(frozen=True)
class TableDataset:
    """Sequences of one length with values: regression, multi-label or multi-class.

    tokens: (N, L + 2·jitter_bp) uint8. values: (N, T) float32; NaN is a missing label.
    reverse_complement: show half of the examples reverse-complemented, with the same values.
    jitter_bp: move each window by up to this much while training; evaluation takes the middle.
    negative_ratio: rows whose values are all 0 are drawn anew for each epoch, this many per other
    row; None shows every row in every epoch.
    weights: (N, T) float32 of the labels in a loss; None: all 1.
    """

    tokens: np.ndarray
    values: np.ndarray
    reverse_complement: bool = False
    jitter_bp: int = 0
    negative_ratio: float | None = None
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.tokens) == 0:
            raise TrainingError("the data set has no rows", where="train data")
        if len(self.tokens) != len(self.values):
            raise TrainingError(
                f"{len(self.tokens)} sequences and {len(self.values)} rows of values",
                where="train data",
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def window_bp(self) -> int:
        """Length of the sequences that the model reads."""
        return self.tokens.shape[1] - 2 * self.jitter_bp

    def take(self, rows: np.ndarray) -> "TableDataset":
        """Return the data set of some rows, with the same augmentation."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, tokens=self.tokens[rows], values=self.values[rows], weights=weights)

    @property
    def is_positive(self) -> np.ndarray:
        """Which rows (N,) bool have any label; of the others epochs take a share."""
        return ~(self.values == 0).all(axis=1)

    def shown(self) -> np.ndarray:
        """Return how often each row (N,) is shown in an epoch, in the mean: 1, or the share of
        the negatives that is drawn."""
        positive = self.is_positive
        n, others = int(positive.sum()), int((~positive).sum())
        if self.negative_ratio is None or others == 0:
            return np.ones(len(self))
        return np.where(positive, 1.0, _wanted(n, others, self.negative_ratio) / others)

    def epoch_rows(self, generator: np.random.Generator) -> np.ndarray:
        """Return all rows, or the drawn share of negatives, in a drawn order."""
        if self.negative_ratio is None:
            return generator.permutation(len(self))
        return _balanced(self.is_positive, self.negative_ratio, generator)

    def batch(self, rows: np.ndarray, generator: np.random.Generator | None = None) -> Batch:
        """Return the examples of `rows`; targets: {"values": (B, T) float32}, and "weights"."""
        offset = np.full(len(rows), self.jitter_bp)
        if generator is not None and self.jitter_bp:
            offset = generator.integers(0, 2 * self.jitter_bp + 1, len(rows))
        tokens = _windows_at(self.tokens[rows], offset, self.window_bp)
        if generator is not None and self.reverse_complement:
            flip = generator.random(len(rows)) < 0.5
            tokens[flip] = reverse_complement_tokens(tokens[flip])
        targets = {"values": self.values} | (
            {} if self.weights is None else {"weights": self.weights}
        )
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array[rows], dtype=np.float32))
            for name, array in targets.items()
        }
        return Batch(torch.from_numpy(tokens), targets=tensors)


def _wanted(positives: int, negatives: int, negative_ratio: float) -> int:
    """Return how many negatives an epoch takes."""
    return min(int(round(negative_ratio * positives)), negatives)


def _balanced(
    positive: np.ndarray, negative_ratio: float, generator: np.random.Generator
) -> np.ndarray:
    """Return all positive rows and a drawn share of the others, in a drawn order."""
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    wanted = _wanted(len(positives), len(negatives), negative_ratio)
    drawn = generator.choice(negatives, wanted, replace=False)
    return generator.permutation(np.concatenate([positives, drawn]))


def _windows_at(array: np.ndarray, offset: np.ndarray, length: int) -> np.ndarray:
    """Return a copy of `length` positions from each row's own offset, (B, …, length)."""
    if array.shape[-1] == length:
        return array.copy()
    view = np.lib.stride_tricks.sliding_window_view(array, length, axis=-1)
    rows = np.arange(len(array))
    return view[rows, ..., offset, :].copy() if array.ndim > 2 else view[rows, offset].copy()


@dataclass(frozen=True)
class SignalDataset:
    """Windows with base-resolution counts, for BPNet.

    Every array may be a memory map, so that memory does not grow with the number of windows.

    tokens: (N, window_bp + 2·jitter_bp) uint8.
    signal: (N, strands, output_bp + 2·jitter_bp) float32 counts.
    controls: None or (N, tracks, window_bp + 2·jitter_bp) float32.
    is_peak: (N,) bool; negatives train the counts only.
    jitter_bp: peaks move by up to this much while training; evaluation takes the centre.
    reverse_complement: flip half of the examples. strand_swap: the track that each track becomes
        on the other strand, (1, 0) for plus and minus.
    negative_ratio: negatives drawn anew for each epoch, per peak (bpnet-lite: 0.333).
    """

    tokens: np.ndarray
    signal: np.ndarray
    is_peak: np.ndarray
    controls: np.ndarray | None = None
    jitter_bp: int = 0
    reverse_complement: bool = False
    strand_swap: Sequence[int] = (1, 0)
    control_swap: Sequence[int] = (1, 0)
    negative_ratio: float = 0.333
    rows: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(len(self.tokens)))
        if len(self.rows) == 0:
            raise TrainingError("the data set has no windows", where="train data")
        for name, swap, array in (
            ("strand_swap", self.strand_swap, self.signal),
            ("control_swap", self.control_swap, self.controls),
        ):
            tracks = 0 if array is None else array.shape[1]
            if self.reverse_complement and tracks > 1 and sorted(swap) != list(range(tracks)):
                raise TrainingError(
                    f"{name} {tuple(swap)} is not a permutation of {tracks} tracks",
                    where="train data",
                    mend="name the track that each one becomes on the other strand, e.g. [1, 0]",
                )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def window_bp(self) -> int:
        """Length of the sequences that the model reads."""
        return self.tokens.shape[1] - 2 * self.jitter_bp

    def take(self, rows: np.ndarray) -> "SignalDataset":
        """Return the data set of some rows; the arrays are shared, not copied."""
        return replace(self, rows=self.rows[rows])

    def epoch_rows(self, generator: np.random.Generator) -> np.ndarray:
        """Return all peaks and negative_ratio × as many negatives, in a drawn order."""
        return _balanced(np.asarray(self.is_peak[self.rows]), self.negative_ratio, generator)

    def batch(self, rows: np.ndarray, generator: np.random.Generator | None = None) -> Batch:
        """Return the examples of `rows`.

        targets: {"counts": (B, strands, output_bp) float32, "is_peak": (B,) bool}; inputs: the
        controls, if there are any.
        """
        rows = self.rows[rows]
        peak = np.asarray(self.is_peak[rows])
        offset = np.full(len(rows), self.jitter_bp)
        if generator is not None and self.jitter_bp:
            drawn = generator.integers(0, 2 * self.jitter_bp + 1, len(rows))
            offset = np.where(peak, drawn, offset)
        arrays = [np.asarray(self.tokens[rows]), np.asarray(self.signal[rows])]
        if self.controls is not None:
            arrays.append(np.asarray(self.controls[rows]))
        arrays = [_windows_at(a, offset, a.shape[-1] - 2 * self.jitter_bp) for a in arrays]
        if generator is not None and self.reverse_complement:
            flip = generator.random(len(rows)) < 0.5
            arrays[0][flip] = reverse_complement_tokens(arrays[0][flip])
            for array, swap in zip(arrays[1:], (self.strand_swap, self.control_swap)):
                array[flip] = flip_tracks(array[flip], swap)
        tensors = [torch.from_numpy(a) for a in arrays]
        targets = {"counts": tensors[1], "is_peak": torch.from_numpy(peak)}
        return Batch(tensors[0], tuple(tensors[2:]), targets)


def flip_tracks(tracks: np.ndarray, swap: Sequence[int]) -> np.ndarray:
    """Return tracks (B, S, L) as seen from the other strand: reversed, track i from swap[i]."""
    order = list(swap) if tracks.shape[1] > 1 else [0]
    return tracks[:, order, ::-1]
