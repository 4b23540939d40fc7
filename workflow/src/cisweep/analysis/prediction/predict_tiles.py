"""Regular windows of a long sequence by a fully convolutional model, without their overlaps.

Neighbouring windows share most of what convolutions compute. So each convolution runs once over a
stretch of many windows, and what a model does with a whole window (a mean, a dense layer, an
output) is done with the windows' parts of it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cisweep.analysis.prediction.predict import predict
from cisweep.engine.calls import tensors_in
from cisweep.engine.policy import attempt, taken
from cisweep.engine.running import dtype_of, resolve_device, resolve_dtype, running
from cisweep.engine.sliding import Sliding
from cisweep.engine.verify import PROPAGATED, check_agreement, compared_rows
from cisweep.errors import SequenceError
from cisweep.sequence.encoding import one_hot_tokens

_NAME = "prediction of windows"


def predict_tiles(
    model: nn.Module,
    X: Tensor,
    window_bp: int,
    stride_bp: int,
    func: Callable[[Any], Any] | None = None,
    stretch_bp: int = 8192,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    verbose: bool = False,
) -> Tensor | list[Tensor]:
    """Return what `predict` returns for the windows of a long sequence, computed over stretches.

    Window i is X at [i · stride_bp, i · stride_bp + window_bp), as many as fit. The values are
    those of windowed prediction to rounding (1e-6 of the largest); the last bits depend on where in
    its stretch a window lies. Some of the first stretch are compared with the model's own.

    A model that does not slide along the sequence predicts windows, and the log says why: an
    operation mixes positions otherwise than by convolution with stride 1, or padding at a
    window's ends reaches what is read.

    Parameters
    ----------
    model: of one input (the sequence); it returns a tensor or several, batch first.
    X: tokens uint8 (length,), 4 = N, or a one-hot sequence (4, length).
    window_bp: length that the model reads.
    stride_bp: distance of window starts. The gain grows with the overlap.
    func: applied to the model's output for the windows of each stretch.
    stretch_bp: length of a stretch; it bounds the memory. 8 kb are best on a CPU.
    dtype: in which to compute; None for the model's.
    device: None for the GPU if there is one, else the CPU.
    verbose: whether to show a progress bar.

    Raises
    ------
    SequenceError: X is shorter than a window, or of another shape.
    ModelError: as `predict`.

    Source: `predict` of the same windows, which the tests compare it with.
    """
    X = _checked(X, window_bp, stride_bp)
    windows = X.unfold(-1, window_bp, stride_bp)
    windows = windows if X.ndim == 1 else windows.transpose(0, 1)
    device = resolve_device(device)
    dtype = resolve_dtype(dtype) or dtype_of(model)
    plain = partial(predict, model, func=func, dtype=dtype, device=device)

    def run() -> Tensor | list[Tensor]:
        tolerance = PROPAGATED.of(dtype)
        per_stretch = min(len(windows), max(1, (stretch_bp - window_bp) // stride_bp + 1))
        stretches = _stretches(model, X, (window_bp, stride_bp), per_stretch, dtype, device)
        collected: list[Tensor] = []
        with running(model, device), tqdm(total=len(windows), disable=not verbose) as bar:
            for first, output in stretches:
                output = output if func is None else func(output)
                parts = tensors_in(output)
                if not collected:
                    _check(parts, windows[:per_stretch], plain, tolerance)
                    collected = [
                        y.new_empty((len(windows), *y.shape[1:]), device="cpu") for y in parts
                    ]
                for whole, part in zip(collected, parts):
                    whole[first : first + per_stretch] = part
                bar.update(min(per_stretch, len(windows) - bar.n))
        taken(_NAME)
        return collected[0] if isinstance(output, Tensor) else collected

    found = attempt(_NAME, run)
    return plain(windows, verbose=verbose) if found is None else found


def _stretches(
    model: nn.Module,
    X: Tensor,
    window_and_stride: tuple[int, int],
    per_stretch: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Iterator[tuple[int, Any]]:
    """Yield each stretch's first window and the model's output of its `per_stretch` windows."""
    window_bp, stride_bp = window_and_stride
    n_windows = (X.shape[-1] - window_bp) // stride_bp + 1
    sliding = Sliding(model, _one_hot(X[..., :window_bp], dtype, device), stride_bp)
    for first in range(0, n_windows, per_stretch):
        # The last stretch begins earlier, so that all have one shape.
        first = min(first, n_windows - per_stretch)
        start = first * stride_bp
        stretch = X[..., start : start + (per_stretch - 1) * stride_bp + window_bp]
        yield first, sliding(_one_hot(stretch, dtype, device), per_stretch)


def _check(
    found: list[Tensor], windows: Tensor, plain: Callable[..., Any], tolerance: float
) -> None:
    """Check the outputs of a stretch's first and last window; raises FastPathOff."""
    rows = compared_rows(len(windows), 2)
    expected = tensors_in(plain(windows[rows]))
    check_agreement([y.cpu()[rows] for y in found], expected, tolerance, "values in stretches")


def _checked(X: Tensor, window_bp: int, stride_bp: int) -> Tensor:
    if not (X.ndim == 1 and X.dtype == torch.uint8) and not (X.ndim == 2 and X.shape[0] == 4):
        raise SequenceError(
            f"X has shape {tuple(X.shape)} and dtype {X.dtype}",
            mend="pass one sequence: tokens uint8 (length,) or one-hot (4, length)",
        )
    if stride_bp < 1 or X.shape[-1] < window_bp:
        raise SequenceError(
            f"no window of {window_bp} bp at stride {stride_bp} fits {X.shape[-1]} bp",
            mend="pass a longer sequence and a stride of at least 1",
        )
    return X


def _one_hot(X: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    X = X.to(device)
    return (one_hot_tokens(X, dtype) if X.ndim == 1 else X.to(dtype)).unsqueeze(0)
