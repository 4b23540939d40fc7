"""Counts of annotations (seqlets with a motif, hits): by example, by pair, by pair and distance.

Names, arguments and results are those of tangermeme 1.6; counts do not overflow their dtype.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cisweep.errors import MotifError


def count_annotations(
    X: Tensor | pd.DataFrame,
    dtype: torch.dtype = torch.uint8,
    shape: tuple[int, int] | None = None,
    dim: int | None = None,
) -> Tensor:
    """Return how often each annotation occurs in each example, (examples, annotations).

    X: rows of example_idx, annotation_idx, integers from 0; further columns are not read. shape:
    of the result, None for the largest numbers in X. dim: 0 to add up the examples, 1 the
    annotations. Raises MotifError for other columns, numbers beyond `shape`, or counts that dtype
    does not hold (tangermeme 1.6 lets them overflow). Source: tangermeme 1.6 annotate.
    """
    rows = _rows(X, 2)
    n = shape or tuple((rows.max(axis=0) + 1).tolist() if len(rows) else (0, 0))
    _check_below(rows[:, 0], n[0], "example_idx")
    _check_below(rows[:, 1], n[1], "annotation_idx")
    found = np.zeros(n, np.int64)
    np.add.at(found, (rows[:, 0], rows[:, 1]), 1)
    return _as(found if dim is None else found.sum(axis=dim), dtype)


def pairwise_annotations(
    X: Tensor | pd.DataFrame,
    dtype: torch.dtype = torch.int64,
    unique: bool = True,
    symmetric: bool = True,
    shape: int | None = None,
) -> Tensor:
    """Return in how many examples each pair of annotations occurs together, (n, n).

    X: rows of example_idx, annotation_idx. unique: an annotation counts once an
    example, so that it is no pair with itself; False: each two rows of an example are a pair.
    symmetric: pairs have no order (the diagonal counts once); False: row and column are the earlier
    and the later row of X, of unique ones the smaller and the larger number. shape: n, None for the
    largest number in X. Raises MotifError as `count_annotations`. Source: tangermeme 1.6 annotate.
    """
    rows = _rows(X, 2)
    n = shape if shape is not None else int(rows[:, 1].max(initial=-1)) + 1
    _check_below(rows[:, 1], n, "annotation_idx")
    found = np.zeros((n, n), np.int64)
    for mine in _examples(rows):
        kinds = mine[:, 1]
        if unique:
            kinds = np.unique(kinds)
        first, second = np.triu_indices(len(kinds), k=1)
        np.add.at(found, (kinds[first], kinds[second]), 1)
    return _as(_both_ways(found) if symmetric else found, dtype)


def pairwise_annotations_spacing(
    X: Tensor | pd.DataFrame,
    max_distance: int = 100,
    dtype: torch.dtype = torch.uint8,
    symmetric: bool = True,
    shape: int | None = None,
) -> Tensor:
    """Return how often each pair of annotations stands at each distance, (n, n, max_distance).

    X: rows of example_idx, annotation_idx, start, end (0-based half-open). The distance is the
    number of bases between them. symmetric: pairs have no order; False: row and column are the left
    and the right one. Raises MotifError for annotations of an example that overlap, and as
    `count_annotations`. Source: tangermeme 1.6 annotate.
    """
    rows = _rows(X, 4)
    n = shape if shape is not None else int(rows[:, 1].max(initial=-1)) + 1
    _check_below(rows[:, 1], n, "annotation_idx")
    found = np.zeros((n, n, max_distance), np.int64)
    for mine in _examples(rows):
        mine = mine[np.lexsort((mine[:, 3], mine[:, 2]))]
        left, right = np.triu_indices(len(mine), k=1)
        distance = mine[right, 2] - mine[left, 3]
        if (distance < 0).any():
            i = int(np.argmin(distance))
            spans = [tuple(mine[j[i], 2:].tolist()) for j in (left, right)]
            raise MotifError(
                f"annotations {spans[0]} and {spans[1]} of example {mine[0, 0]} overlap",
                mend="keep one of those that overlap",
            )
        near = distance < max_distance
        kinds = mine[left[near], 1], mine[right[near], 1], distance[near]
        np.add.at(found, kinds, 1)
    return _as(_both_ways(found) if symmetric else found, dtype)


def _rows(X: Any, width: int) -> np.ndarray:
    """Return the first columns of X as int64; raises MotifError if it has not so many."""
    if isinstance(X, pd.DataFrame):
        values = X.iloc[:, :width].to_numpy()
    elif isinstance(X, tuple):
        values = np.stack([np.asarray(column) for column in X[:width]], axis=1)
    else:
        values = np.asarray(X)[:, :width]
    if values.ndim != 2 or values.shape[1] != width:
        names = ("example_idx", "annotation_idx", "start", "end")[:width]
        raise MotifError(f"annotations have {values.shape[-1]} columns, not {', '.join(names)}")
    rows = values.astype(np.int64)
    if (rows != values).any() or (rows[:, :2] < 0).any():
        raise MotifError("annotations are integers, and numbers of examples from 0")
    return rows


def _check_below(numbers: np.ndarray, n: int, name: str) -> None:
    if len(numbers) and numbers.max() >= n:
        raise MotifError(f"{name} {numbers.max()} is beyond the shape, {n}")


def _examples(rows: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each example, in their order."""
    if not len(rows):
        return []
    order = np.argsort(rows[:, 0], kind="stable")
    ends = np.flatnonzero(np.diff(rows[order, 0])) + 1
    return [rows[part] for part in np.split(order, ends)]


def _both_ways(found: np.ndarray) -> np.ndarray:
    """Return counts of pairs without order; of an annotation with itself as they are."""
    both = found + found.swapaxes(0, 1)
    own = np.arange(len(found))
    both[own, own] = found[own, own]
    return both


def _as(counts: np.ndarray, dtype: torch.dtype) -> Tensor:
    most = counts.max(initial=0)
    limit = torch.iinfo(dtype).max if not dtype.is_floating_point else np.inf
    if most > limit:
        raise MotifError(f"a count of {most} does not fit into {dtype}", mend="give a wider dtype")
    return torch.from_numpy(counts).to(dtype)
