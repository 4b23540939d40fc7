"""What a model says before and after an edit: marginalize, ablate, space, and products.

Names, arguments, shapes and results are those of tangermeme 1.6.0, and X may also be tokens uint8
(N, length), as a run has them. Each experiment is an edit of cisweep.sequence between two calls of
`func`, which may be `predict`, an attribution, or any function of (model, X, **kwargs). The steps
marginalize, space and ablate edit by the same functions, ablate by the shuffles of `WindowShuffle`.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cisweep.analysis.perturbation.ablations import shuffled_span
from cisweep.analysis.prediction.predict import predict
from cisweep.contracts import Windows
from cisweep.errors import SequenceError
from cisweep.sequence import multisubstitute, one_hot_tokens, shuffle, substitute, tokens_of

Output = Tensor | list[Tensor]


class PerturbationResult(NamedTuple):
    """What `func` gives before and after the edit; a list of tensors if it gives several."""

    y_before: Output
    y_after: Output


class SpaceResult(NamedTuple):
    """`func` before, (N, …), and after for each spacing, (N, spacings, …)."""

    y_before: Output
    y_afters: Output


class PerturbationAnnotationsResult(NamedTuple):
    """Results of each annotation, stacked on a first axis."""

    y_befores: Output
    y_afters: Output


def before_after(
    func: Callable[..., Any],
    model: torch.nn.Module,
    before: Tensor,
    after: Tensor,
    kwargs: dict,
    additional: dict | None,
) -> PerturbationResult:
    """Return `func` of the model and both sequences; `additional` overrides `kwargs`."""
    options = {**kwargs, **(additional or {})}
    return PerturbationResult(func(model, before, **options), func(model, after, **options))


def marginalize(
    model: torch.nn.Module,
    X: Tensor,
    motif: Tensor | str,
    start: int | None = None,
    alphabet: Sequence[str] = ("A", "C", "G", "T"),
    func: Callable[..., Any] = predict,
    additional_func_kwargs: dict | None = None,
    **kwargs: Any,
) -> PerturbationResult:
    """Return `func` before and after putting a motif into background sequences.

    Parameters
    ----------
    model: torch.nn.Module
    X: (N, 4, length) one-hot backgrounds, or tokens uint8 (N, length).
    motif: letters (N keeps the background's base), or one-hot (1 or N, 4, motif length).
    start: 0-based position of the motif's first base; None: its middle on the window's middle.
    alphabet: letters in the order of X's second axis.
    func: function of (model, X, **kwargs).
    additional_func_kwargs, kwargs: passed to `func`.

    Returns
    -------
    PerturbationResult: y_after - y_before is the motif's marginal effect.

    Raises
    ------
    SequenceError: the motif is longer than X, falls off its end, or has other letters.

    Source: tangermeme 1.6.0, marginalize.
    """
    X_motif = substitute(X, motif, start=start, alphabet=list(alphabet))
    return before_after(func, model, X, X_motif, kwargs, additional_func_kwargs)


def marginalize_annotations(
    model: torch.nn.Module, X: Tensor, X0: Tensor, annotations: Tensor, **kwargs: Any
) -> PerturbationAnnotationsResult:
    """Return `marginalize` of each annotated span of X put into the backgrounds X0.

    annotations: (K, 3) integers: example of X, start, end (0-based half-open). kwargs go to
    `marginalize`. Both results have the annotations as first axis: (K, N, …).

    Raises SequenceError without annotations. Source: tangermeme 1.6.0.
    """
    runs = [
        marginalize(model, X0, X[i : i + 1, :, s:e], **kwargs) for i, s, e in _spans(annotations, X)
    ]
    return _annotation_results(runs)


def ablate(
    model: torch.nn.Module,
    X: Tensor,
    start: int,
    end: int,
    n: int = 20,
    shuffle_fn: Callable[..., Any] = shuffle,
    args: Sequence[Tensor] | None = None,
    random_state: int | np.random.RandomState | None = None,
    func: Callable[..., Any] = predict,
    additional_func_kwargs: dict | None = None,
    **kwargs: Any,
) -> PerturbationResult:
    """Return `func` before and after shuffling [start, end) of each sequence.

    Parameters
    ----------
    model: torch.nn.Module
    X: (N, 4, length) one-hot, or tokens uint8 (N, length).
    start, end: 0-based half-open span to shuffle.
    n: shuffles of each sequence.
    shuffle_fn: function (X, start, end, n, random_state) -> (N, n, …) of X's kind. The default
        permutes the bases of all sequences alike; `WindowShuffle` shuffles as the step does.
    args: further inputs of the model, (N, …) each; repeated for the shuffles.
    random_state: seed of shuffle_fn, and of `func` if that takes a random_state which
        additional_func_kwargs do not give.
    func: function of (model, X, args=, **kwargs).
    additional_func_kwargs, kwargs: passed to `func`.

    Returns
    -------
    PerturbationResult: y_before (N, …), y_after (N, n, …).

    Raises
    ------
    SequenceError: the span is empty or outside X.

    Source: tangermeme 1.6.0, ablate.
    """
    options = {**kwargs, **(additional_func_kwargs or {})}
    if "random_state" in inspect.signature(func).parameters:
        options.setdefault("random_state", random_state)
    shuffled = shuffle_fn(X, start=start, end=end, n=n, random_state=random_state)
    repeated = None if args is None else tuple(a.repeat_interleave(n, dim=0) for a in args)
    before = func(model, X, args=args, **options)
    after = func(model, shuffled.flatten(0, 1), args=repeated, **options)
    return PerturbationResult(before, _map(lambda y: y.unflatten(0, shuffled.shape[:2]), after))


@dataclass(frozen=True)
class WindowShuffle:
    """A `shuffle_fn` of `ablate`: the shuffles of the step ablate, for windows of the genome.

    Each window is shuffled by itself, shuffle k by its place, the span, k and the seed alone.
    windows: the places of the N sequences, in + orientation as the step reads them. The
    random_state is the run's seed, a whole number.
    """

    windows: Windows

    def __call__(self, X: Tensor, start: int, end: int, n: int, random_state: Any = None) -> Tensor:
        """Return (N, n, …) shuffles of [start, end) of X, one-hot or tokens.

        Raises SequenceError without a seed, for another number of windows, and for no such span.
        """
        length, is_tokens = X.shape[-1], X.ndim == 2
        if not isinstance(random_state, int | np.integer):
            raise SequenceError(
                f"random_state is {random_state!r}", mend="give the run's seed, a whole number"
            )
        if len(self.windows) != len(X):
            raise SequenceError(f"X has {len(X)} sequences, and there are {len(self.windows)} "
                                "windows", mend="give the place of each sequence")  # fmt: skip
        if not 0 <= start < end <= length:
            raise SequenceError(f"[{start}, {end}) is no span of {length} bp",
                                mend="use 0 <= start < end <= length")  # fmt: skip
        tokens = (X if is_tokens else tokens_of(X)).numpy(force=True)
        shuffled = np.repeat(tokens[:, None], n, axis=1)
        for each, row, key in zip(shuffled, tokens, self.windows.keys()):
            each[:, start:end] = shuffled_span(row, key, start, end, n, int(random_state))
        found = torch.from_numpy(shuffled).to(X.device)
        return found if is_tokens else one_hot_tokens(found, X.dtype)


def ablate_annotations(
    model: torch.nn.Module, X: Tensor, annotations: Tensor, **kwargs: Any
) -> PerturbationAnnotationsResult:
    """Return `ablate` of each annotated span, in its own sequence alone.

    annotations: (K, 3) integers: example of X, start, end (0-based half-open). kwargs go to
    `ablate`. Shapes: y_befores (K, 1, …), y_afters (K, 1, n, …).

    Raises SequenceError without annotations. Source: tangermeme 1.6.0.
    """
    runs = [ablate(model, X[i : i + 1], s, e, **kwargs) for i, s, e in _spans(annotations, X)]
    return _annotation_results(runs)


def space(
    model: torch.nn.Module,
    X: Tensor,
    motifs: Sequence[Tensor | str],
    spacing: Tensor | np.ndarray | Sequence,
    start: int | None = None,
    alphabet: Sequence[str] = ("A", "C", "G", "T"),
    func: Callable[..., Any] = predict,
    additional_func_kwargs: dict | None = None,
    verbose: bool = False,
    **kwargs: Any,
) -> SpaceResult:
    """Return `func` before and after putting motifs into backgrounds at each spacing.

    Parameters
    ----------
    model: torch.nn.Module
    X: (N, 4, length) one-hot backgrounds, or tokens uint8 (N, length).
    motifs: letters or one-hot (1 or N, 4, length), from left to right.
    spacing: (spacings, motifs - 1) integers: bases between neighbours.
    start: 0-based position of the first motif; None: the whole arrangement is centred.
    alphabet: letters in the order of X's second axis.
    func: function of (model, X, **kwargs).
    verbose: show a progress bar.
    additional_func_kwargs, kwargs: passed to `func`.

    Returns
    -------
    SpaceResult: y_before (N, …), y_afters (N, spacings, …).

    Raises
    ------
    SequenceError: spacing has another shape, or an arrangement does not fit into X.

    Source: tangermeme 1.6.0, space.
    """
    options = {**kwargs, **(additional_func_kwargs or {})}
    table = torch.as_tensor(spacing).to(torch.int64)
    if table.ndim != 2 or table.shape[1] != len(motifs) - 1 or not len(table):
        raise SequenceError(
            f"spacing has shape {tuple(table.shape)} for {len(motifs)} motifs",
            where="spacing",
            mend=f"give shape (spacings, {len(motifs) - 1})",
        )
    before = func(model, X, **options)
    afters = []
    for row in _progress(table.tolist(), verbose):
        arranged = multisubstitute(X, list(motifs), row, start=start, alphabet=list(alphabet))
        afters.append(func(model, arranged, **options))
    return SpaceResult(before, _stack(afters, dim=1))


def apply_pairwise(
    func: Callable[..., Any],
    model: torch.nn.Module,
    X: Tensor,
    args: Sequence[Tensor],
    batch_size: int = 32,
    device: str | torch.device | None = None,
    additional_func_kwargs: dict | None = None,
    verbose: bool = False,
    **kwargs: Any,
) -> Output:
    """Return `func` of every sequence with every row of `args`, which are taken together.

    X: (N, 4, length); args: K rows each. Returns tensors (N, K, …). batch_size counts pairs; the
    rest goes to `func` as to `apply_product`.

    Raises SequenceError if X or args are empty, or args differ in length. Source: tangermeme 1.6.0.
    """
    if not args:
        raise SequenceError("there are no args", where="args", mend="give at least one input")
    if len({len(a) for a in args}) > 1:
        raise SequenceError(
            f"args have {[len(a) for a in args]} rows",
            where="args",
            mend="give equal lengths, or use apply_product for all combinations",
        )
    options = {"batch_size": batch_size, "device": device, **kwargs}
    call = partial(func, model, **options | (additional_func_kwargs or {}))
    axes = (0,) + (1,) * len(args)
    return _over_grid(call, [X, *args], axes, (len(X), len(args[0])), batch_size, verbose)


def apply_product(
    func: Callable[..., Any],
    model: torch.nn.Module,
    X: Tensor,
    args: Sequence[Tensor],
    batch_size: int = 32,
    device: str | torch.device | None = None,
    additional_func_kwargs: dict | None = None,
    verbose: bool = False,
    **kwargs: Any,
) -> Output:
    """Return `func` of every combination of a sequence and a row of each of `args`.

    Parameters
    ----------
    func: function (model, X, args=, batch_size=, device=, **kwargs).
    model: torch.nn.Module
    X: (N, 4, length) one-hot.
    args: further inputs of the model, (K, …) each with its own K.
    batch_size: combinations handed to `func` at a time.
    device: handed to `func`.
    additional_func_kwargs, kwargs: handed to `func`.
    verbose: show a progress bar.

    Returns
    -------
    Tensors (N, K1, K2, …, …).

    Raises
    ------
    SequenceError: X or one of args is empty.

    Source: tangermeme 1.6.0, apply_product.
    """
    options = {"batch_size": batch_size, "device": device, **kwargs}
    call = partial(func, model, **options | (additional_func_kwargs or {}))
    sizes = (len(X), *(len(a) for a in args))
    return _over_grid(call, [X, *args], range(len(sizes)), sizes, batch_size, verbose)


def _over_grid(
    call: Callable[..., Any],
    parts: list[Tensor],
    axes: Sequence[int],
    sizes: tuple[int, ...],
    batch_size: int,
    verbose: bool,
) -> Output:
    """Return `call` of all rows of a grid, batch by batch; parts[i] runs along its axis axes[i]."""
    if 0 in sizes:
        raise SequenceError(f"no rows to combine: {sizes}", mend="give at least one of each")
    grid = np.array(list(product(*map(range, sizes))), dtype=np.int64)
    found = []
    for begin in _progress(range(0, len(grid), batch_size), verbose):
        rows = torch.from_numpy(grid[begin : begin + batch_size])
        X, *args = (part[rows[:, axis]] for part, axis in zip(parts, axes))
        found.append(call(X, args=args))
    return _map_nested(lambda *ys: torch.cat(ys).unflatten(0, sizes), found)


def _spans(annotations: Tensor | np.ndarray, X: Tensor) -> list[list[int]]:
    rows = edit_rows(annotations, (len(X), X.shape[2], X.shape[2] + 1), "annotations")
    if not len(rows):
        raise SequenceError(
            "there are no annotations",
            where="annotations",
            mend="give at least one row (example, start, end)",
        )
    return rows.tolist()


def edit_rows(table: Tensor | np.ndarray, limits: Sequence[int], where: str) -> Tensor:
    """Return a table of whole numbers as int64 on the CPU; column i lies below limits[i].

    Raises SequenceError, which names the row, for another shape or a number that is out of range.
    """
    rows = torch.as_tensor(table).to("cpu", torch.int64)
    if rows.ndim != 2 or rows.shape[1] != len(limits):
        raise SequenceError(
            f"shape {tuple(rows.shape)}", where=where, mend=f"give shape (rows, {len(limits)})"
        )
    bad = ((rows < 0) | (rows >= torch.tensor(limits))).any(dim=1)
    if bad.any():
        i = int(torch.nonzero(bad)[0])
        raise SequenceError(
            f"row {i} is {rows[i].tolist()}, and X has {limits[0]} examples of {limits[1]} bp",
            where=where,
            mend="count examples, positions and bases from 0",
        )
    return rows


def _annotation_results(runs: list[PerturbationResult]) -> PerturbationAnnotationsResult:
    return PerturbationAnnotationsResult(
        _stack([r.y_before for r in runs]), _stack([r.y_after for r in runs])
    )


def _map(transform: Callable[[Tensor], Tensor], y: Output) -> Output:
    return transform(y) if isinstance(y, Tensor) else [transform(part) for part in y]


def _stack(ys: list[Output], dim: int = 0) -> Output:
    return _map_nested(lambda *parts: torch.stack(parts, dim=dim), ys)


def _map_nested(join: Callable[..., Tensor], ys: list) -> Any:
    """Join results position by position, through lists of lists (many outputs of many calls)."""
    if isinstance(ys[0], Tensor):
        return join(*ys)
    return [_map_nested(join, list(parts)) for parts in zip(*ys)]


def _progress(items: Any, verbose: bool) -> Any:
    from tqdm import tqdm

    return tqdm(items, disable=not verbose)
