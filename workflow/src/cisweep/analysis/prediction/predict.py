"""What a model predicts for windows, in batches of one fixed shape."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cisweep.engine.operations import fast_convolutions
from cisweep.engine.policy import attempt, taken
from cisweep.engine.replay import Replay, replay_of
from cisweep.engine.running import dtype_of, resolve_device, resolve_dtype, running
from cisweep.engine.verify import SAME_CALLS, check_agreement
from cisweep.errors import ModelError
from cisweep.sequence.encoding import one_hot_tokens

# Windows of this many bases together fit a core's cache and still amortise the calls.
_CPU_BASES = 5120
# Windows, and batches, from which recording the model is worth its forwards.
_REPLAYED, _REPLAYED_BATCHES = 256, 16
_IN_FLIGHT = 3  # batches on a GPU whose outputs are still being copied

Outputs = tuple[Tensor, ...]


def predict(
    model: nn.Module,
    X: Tensor,
    args: Sequence[Tensor] | None = None,
    func: Callable[[Any], Any] | None = None,
    batch_size: int = 32,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    verbose: bool = False,
) -> Tensor | list[Tensor]:
    """Return the model's predictions for windows, on the CPU.

    Every batch has the same shape, the last one filled up with zeros, and a window's prediction
    does not depend on which other windows stand beside it. On a CPU a batch is run in smaller
    ones that fit the cache. The model is left as it was found.

    Parameters
    ----------
    model: returns a tensor or several, with the batch first.
    X: one-hot windows (N, 4, length) of any dtype, or tokens uint8 (N, length), 4 = N.
    args: further inputs of the model, each with N rows.
    func: applied to the output of each batch.
    batch_size: windows on the device at once.
    dtype: in which to compute; None for that of the model. A half precision is used by autocast.
    device: None for the GPU if there is one, else the CPU.
    verbose: whether to show a progress bar.

    Returns
    -------
    One tensor (N, …), or a list of them where the model returns several.

    Raises
    ------
    ModelError: no windows, inputs of other length, no such device, outputs that are no tensors.

    Source: the signature and semantics of tangermeme 1.6 predict, which differs in that its
    batches have their own last shape, and modules keep one training flag.
    """
    collected: list[Tensor] = []
    single = False
    stream = predict_stream(model, X, args, func, batch_size, dtype, device)
    with tqdm(total=X.shape[0], disable=not verbose) as bar:
        for start, outputs, is_single in stream:
            if not collected:
                collected = [y.new_empty((X.shape[0], *y.shape[1:])) for y in outputs]
            for whole, part in zip(collected, outputs):
                whole[start : start + part.shape[0]] = part
            single = is_single
            bar.update(outputs[0].shape[0])
    return collected[0] if single else collected


def predict_stream(
    model: nn.Module,
    X: Tensor,
    args: Sequence[Tensor] | None = None,
    func: Callable[[Any], Any] | None = None,
    batch_size: int = 32,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
) -> Iterator[tuple[int, Outputs, bool]]:
    """Yield the predictions of `predict` batch by batch, so that memory holds a few batches.

    Each item is the index of the batch's first window, its outputs on the CPU (valid until the
    next item is asked for), and whether the model returns a single tensor.
    """
    device = resolve_device(device)
    _check(X, args, batch_size)
    dtype = resolve_dtype(dtype) or dtype_of(model)
    run = _Run(model, func, device, dtype, _autocast(device, dtype))
    with running(model, device):
        if device.type == "cuda":
            yield from _on_gpu(run, X, args or (), batch_size)
        else:
            yield from _on_cpu(run, X, args or (), batch_size)


def _check(X: Tensor, args: Sequence[Tensor] | None, batch_size: int) -> None:
    if X.shape[0] == 0:
        raise ModelError("there are no windows to predict: X has no rows", mend="pass at least one")
    if X.ndim == 2 and X.dtype != torch.uint8:
        raise ModelError(
            f"X has two axes and dtype {X.dtype}; tokens are uint8",
            mend="pass one-hot windows (N, 4, length) or tokens uint8 (N, length)",
        )
    if batch_size < 1:
        raise ModelError(f"batch_size is {batch_size}", mend="use at least 1")
    for i, each in enumerate(args or ()):
        if each.shape[0] != X.shape[0]:
            raise ModelError(
                f"args[{i}] has {each.shape[0]} rows and X has {X.shape[0]}",
                mend="give every input one row per window",
            )


def _autocast(
    device: torch.device, dtype: torch.dtype
) -> Callable[[], AbstractContextManager[Any]]:
    if dtype in (torch.bfloat16, torch.float16):
        return lambda: torch.autocast(device.type, dtype)
    return nullcontext


@dataclass(frozen=True)
class _Run:
    """How a batch of inputs becomes a batch of outputs."""

    model: nn.Module | Replay
    func: Callable[[Any], Any] | None
    device: torch.device
    dtype: torch.dtype
    autocast: Callable[[], AbstractContextManager[Any]]

    @torch.no_grad()
    def __call__(self, X: Tensor, args: Sequence[Tensor], size: int) -> tuple[Outputs, bool]:
        """Return the outputs of `size` windows, of which the given ones come first."""
        inputs = [self.one_hot(X, size), *(self.cast(filled(each, size)) for each in args)]
        with self.autocast():
            output = self.model(*inputs)
        if self.func is not None:
            output = self.func(output)
        single = isinstance(output, Tensor)
        outputs = (output,) if single else output
        if not isinstance(outputs, tuple | list) or not all(isinstance(y, Tensor) for y in outputs):
            raise ModelError(
                f"the model returned {type(output).__name__}, neither a tensor nor several",
                mend="wrap the model, or pass a func that returns tensors",
            )
        for y in outputs:
            if y.ndim == 0 or y.shape[0] != size:
                raise ModelError(
                    f"the output has shape {tuple(y.shape)} for a batch of {size} windows",
                    mend="the first axis of each output must be the batch",
                )
        return tuple(outputs), single

    def one_hot(self, X: Tensor, size: int) -> Tensor:
        """Return the one-hot windows on the device, rows of zeros added up to `size`."""
        if X.ndim != 2:
            return self.cast(filled(X, size))
        tokens = filled(X, size, 4).to(self.device, non_blocking=True)
        return one_hot_tokens(tokens, self.dtype)

    def cast(self, X: Tensor) -> Tensor:
        """Return an input on the device in the dtype of the computation."""
        # What is narrow is widened on the device, so that less is copied.
        if X.element_size() < self.dtype.itemsize:
            return X.to(self.device, non_blocking=True).to(self.dtype)
        return X.to(self.dtype).to(self.device, non_blocking=True)


def filled(X: Tensor, size: int, value: int = 0) -> Tensor:
    """Return X with rows of `value` added up to `size`."""
    if X.shape[0] == size:
        return X
    return torch.cat([X, X.new_full((size - X.shape[0], *X.shape[1:]), value)])


def _on_cpu(
    run: _Run, X: Tensor, args: Sequence[Tensor], batch_size: int
) -> Iterator[tuple[int, Outputs, bool]]:
    # Where rows of a batch could differ in the last bit, windows are run one by one.
    size = min(batch_size, max(1, _CPU_BASES // X.shape[-1]))
    many = X.shape[0] >= max(_REPLAYED, _REPLAYED_BATCHES * size)
    start, undecided = 0, many and run.autocast is nullcontext
    replay: _Run | None = None
    while start < X.shape[0]:
        rows = slice(start, min(start + size, X.shape[0]))
        given = [each[rows] for each in args]
        made = replay and attempt("prediction", partial(replay, X[rows], given, size))
        if made is None:
            replay = None
            with fast_convolutions() as fast:
                made = run(X[rows], given, size)
            if fast.saw_products and size > 1:
                size = 1
                continue
        outputs, single = made
        if undecided:
            undecided = False
            replay = attempt("prediction", partial(_replayed, run, X[rows], given, outputs))
        yield start, tuple(y[: rows.stop - start] for y in outputs), single
        start = rows.stop


def _replayed(run: _Run, X: Tensor, args: Sequence[Tensor], expected: Outputs) -> _Run:
    """Return the run with a replay of its model, which has the expected outputs of a batch."""
    first, *rest = (run.one_hot(X[:1], 1), *(run.cast(each[:1]) for each in args))
    replay = replace(run, model=replay_of(run.model, first, tuple(rest)))
    found, _ = replay(X, args, len(expected[0]))
    check_agreement(found, expected, SAME_CALLS.of(run.dtype), "replayed outputs")
    taken("prediction")
    return replay


def _on_gpu(
    run: _Run, X: Tensor, args: Sequence[Tensor], batch_size: int
) -> Iterator[tuple[int, Outputs, bool]]:
    """Yield batches while later ones compute: outputs go to pinned memory without waiting."""
    waiting: list[tuple[int, int, list[Tensor], bool, Any]] = []
    free: list[list[Tensor]] = []

    def finished() -> tuple[int, Outputs, bool, list[Tensor]]:
        start, n, pinned, single, event = waiting.pop(0)
        event.synchronize()
        return start, tuple(y[:n] for y in pinned), single, pinned

    for start in range(0, X.shape[0], batch_size):
        rows = slice(start, min(start + batch_size, X.shape[0]))
        outputs, single = run(X[rows], [each[rows] for each in args], batch_size)
        pinned = (
            free.pop()
            if free
            else [torch.empty(y.shape, dtype=y.dtype, pin_memory=True) for y in outputs]
        )
        for host, y in zip(pinned, outputs):
            host.copy_(y, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        waiting.append((start, rows.stop - start, pinned, single, event))
        if len(waiting) == _IN_FLIGHT:
            *item, pinned = finished()
            yield tuple(item)
            free.append(pinned)
    while waiting:
        yield finished()[:3]
