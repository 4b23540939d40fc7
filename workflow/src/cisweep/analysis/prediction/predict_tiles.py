"""Regular windows of a long sequence by a fully convolutional model, without their overlaps.

Neighbouring windows share most of what convolutions compute. A tile is a stretch of many
windows; each convolution runs once over the tile, and what a model does with a whole window (a
mean, a dense layer, an output) is done with the windows' parts of it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cisweep.analysis.prediction.predict import predict
from cisweep.engine.constants import Stills
from cisweep.engine.operations import fast_convolutions
from cisweep.engine.policy import FastPathOff, attempt, taken
from cisweep.engine.propagation.parsing import local_step
from cisweep.engine.propagation.rules import Convolution, Pointwise, Sum
from cisweep.engine.recording import record
from cisweep.engine.running import dtype_of, resolve_device, running
from cisweep.engine.tape import Call, Ref, refs_in, run_call, tensors_in, walk
from cisweep.engine.verify import check_agreement
from cisweep.errors import SequenceError
from cisweep.sequence.encoding import one_hot_tokens

_NAME = "prediction of windows"
# Largest difference from the model itself, of the largest output, where it is checked.
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
# Operations that only lay a window's part out in another way before a dense layer.
_LAYOUTS = frozenset({"flatten", "reshape", "view", "squeeze", "unsqueeze", "transpose", "permute"})


def predict_tiles(
    model: nn.Module,
    X: Tensor,
    window_bp: int,
    stride_bp: int,
    func: Callable[[Any], Any] | None = None,
    tile_bp: int = 8192,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    verbose: bool = False,
) -> Tensor | list[Tensor]:
    """Return what `predict` returns for the windows of a long sequence, computed in long tiles.

    Window i is X at [i · stride_bp, i · stride_bp + window_bp), as many as fit. The values are
    those of windowed prediction to rounding (1e-6 of the largest); the last bits depend on where
    in a tile a window lies. Some of the first tile's are compared with the model's own.

    A model that does not slide along the sequence predicts windows, and the log says why: an
    operation mixes positions otherwise than by convolution with stride 1, or padding at a
    window's ends reaches what is read.

    Parameters
    ----------
    model: of one input (the sequence); it returns a tensor or several, batch first.
    X: tokens uint8 (length,), 4 = N, or a one-hot sequence (4, length).
    window_bp: length that the model reads.
    stride_bp: distance of window starts. The gain grows with the overlap.
    func: applied to the model's output of each tile's windows.
    tile_bp: length of a tile; it bounds the memory. 8 kb are best on a CPU.
    dtype: in which to compute; None for the model's.
    device: None for the GPU if there is one, else the CPU.
    verbose: whether to show a progress bar.

    Raises
    ------
    SequenceError: X is shorter than a window, or of another shape.
    """
    X = _checked(X, window_bp, stride_bp)
    windows = X.unfold(-1, window_bp, stride_bp)
    windows = windows if X.ndim == 1 else windows.transpose(0, 1)
    device = resolve_device(device)
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype or dtype_of(model)
    plain = partial(predict, model, func=func, dtype=dtype, device=device)

    def run() -> Tensor | list[Tensor]:
        if dtype not in _TOLERANCE:
            raise FastPathOff(f"{dtype} is computed window by window")
        per_tile = min(len(windows), max(1, (tile_bp - window_bp) // stride_bp + 1))
        tiles = _tiles(model, X, (window_bp, stride_bp), per_tile, dtype, device)
        collected: list[Tensor] = []
        with running(model, device), tqdm(total=len(windows), disable=not verbose) as bar:
            for first, output in tiles:
                output = output if func is None else func(output)
                parts = tensors_in(output)
                if not collected:
                    _check(parts, windows[:per_tile], plain, dtype)
                    collected = [
                        y.new_empty((len(windows), *y.shape[1:]), device="cpu") for y in parts
                    ]
                for whole, part in zip(collected, parts):
                    whole[first : first + per_tile] = part
                bar.update(min(per_tile, len(windows) - bar.n))
        taken(_NAME)
        return collected[0] if isinstance(output, Tensor) else collected

    found = attempt(_NAME, run)
    return plain(windows, verbose=verbose) if found is None else found


def _tiles(
    model: nn.Module,
    X: Tensor,
    window_and_stride: tuple[int, int],
    per_tile: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Iterator[tuple[int, Any]]:
    """Yield each tile's first window and the model's output of its `per_tile` windows."""
    window_bp, stride_bp = window_and_stride
    n_windows = (X.shape[-1] - window_bp) // stride_bp + 1
    sliding = Sliding(model, _one_hot(X[..., :window_bp], dtype, device), stride_bp)
    for first in range(0, n_windows, per_tile):
        # The last tile begins earlier, so that all have one shape.
        first = min(first, n_windows - per_tile)
        start = first * stride_bp
        tile = X[..., start : start + (per_tile - 1) * stride_bp + window_bp]
        yield first, sliding(_one_hot(tile, dtype, device), per_tile)


def _check(
    found: list[Tensor], windows: Tensor, plain: Callable[..., Any], dtype: torch.dtype
) -> None:
    """Check the outputs of a tile's first and last window; raises FastPathOff."""
    rows = torch.tensor(sorted({0, len(windows) - 1}))
    expected = tensors_in(plain(windows[rows]))
    check_agreement([y.cpu()[rows] for y in found], expected, _TOLERANCE[dtype], "values in tiles")


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


class Sliding:
    """A model's forward that runs on tiles of windows.

    Parameters
    ----------
    model: recorded on one window.
    window: one-hot (1, 4, window_bp).
    stride_bp: distance of window starts.
    """

    def __init__(self, model: nn.Module, window: Tensor, stride_bp: int):
        self.stride_bp, self.window_bp = stride_bp, window.shape[2]
        self.tape = record(model, window)
        self.shapes = self.tape.shapes
        self.stills = Stills(self.tape, [window])
        self.alike: set[int] = set()  # constants of which one window's is taken for all
        # Positions [start, end) of each sliding tensor that no padding of the window reaches.
        self.clean: dict[int, tuple[int, int]] = {0: (0, self.window_bp)}
        self.steps: list[tuple[Call, Any]] = []
        local = {0}
        for call in (c for c in self.tape.calls if c.active):
            step = local_step(call, self.tape, local)
            if step is not None and step.is_local:
                local.update(call.outputs)
                self.clean[call.outputs[0]] = self._clean(step)
            else:
                self._check_gather(call, step)
            self.steps.append((call, step))
        for number in refs_in(self.tape.output):
            self._check_clean(number, "an output")
        self.in_place = self._in_place()

    def _in_place(self) -> dict[int, int]:
        """Return, for each step that may overwrite a tensor of the tile, that tensor's number.

        It is one that a convolution, function or sum made, that nothing is a view of, and that no
        later step reads.
        """
        fresh, last, found = set(), {}, {}
        for index, (call, _) in enumerate(self.steps):
            last.update(dict.fromkeys(call.inputs, index))
        last.update(dict.fromkeys(refs_in(self.tape.output), len(self.steps)))
        for index, (call, step) in enumerate(self.steps):
            if isinstance(step, Pointwise):
                free = [i for i in call.inputs if i in fresh and last[i] == index]
                if free:
                    found[index] = free[0]
            if isinstance(step, Pointwise | Convolution):
                fresh.update(call.outputs)
            else:
                fresh.difference_update(call.inputs)
        return found

    def _clean(self, step: Any) -> tuple[int, int]:
        starts, ends = [], []
        for number, (a, b) in step.reads.items():
            if number in self.clean:
                starts.append(self.clean[number][0] - a)
                ends.append(self.clean[number][1] - b)
            else:
                self._check_constant(number)
        length = self.shapes[step.call.outputs[0]][2]
        return max(0, *starts), min(length, *ends)

    def _check_constant(self, number: int) -> None:
        still = self.stills.get(number, 1)
        if not torch.equal(still, still[:, :, :1].expand_as(still)):
            raise _not_sliding("a constant differs between positions of the window")
        self.alike.add(number)

    def _check_gather(self, call: Call, step: Any) -> None:
        sliding = [i for i in call.inputs if i in self.clean]
        name = getattr(call.function, "__name__", str(call.function))
        if sliding and step is None and name not in _LAYOUTS:
            raise _not_sliding(f"{name} does not slide along the sequence")
        for number in sliding:
            self._check_clean(number, name)

    def _check_clean(self, number: int, reader: str) -> None:
        if number not in self.clean:
            return
        start, end = self.clean[number]
        length = self.shapes[number][2]
        if (start, end) != (0, length):
            raise _not_sliding(
                f"{reader} reads {length} positions, of which padding at the window's ends "
                f"reaches all but [{start}, {end})"
            )

    @torch.no_grad()
    def __call__(self, tile: Tensor, n_windows: int) -> Any:
        """Return the model's output of n windows; `tile` is one-hot (1, 4, length)."""
        longer = tile.shape[2] - self.window_bp
        self.stills.check_same_rows(self.alike, n_windows)
        values: dict[int, Tensor] = {0: tile}
        with fast_convolutions():
            for index, (call, step) in enumerate(self.steps):
                if index in self.in_place:
                    results = [self._overwrite(index, call, step, values, longer)]
                elif step is not None and step.is_local:
                    results = self._slide(call, step, values, longer)
                else:
                    given = {i: self._windows(i, values, n_windows) for i in call.inputs}
                    results = run_call(call, given, n_windows)
                values.update(zip(call.outputs, results, strict=True))
        return walk(
            self.tape.output,
            lambda v: self._windows(v.number, values, n_windows) if isinstance(v, Ref) else v,
        )

    def _overwrite(
        self, index: int, call: Call, step: Any, values: dict[int, Tensor], longer: int
    ) -> Tensor:
        """Run a rectifier or a sum in the memory of its input; anything else as usual."""
        target = values[self.in_place[index]]
        if isinstance(step, Sum) and len(set(step.numbers)) == 2:
            other = next(i for i in step.numbers if i != self.in_place[index])
            if other in values:
                return target.add_(values[other])
        if getattr(step, "function", None) is torch.relu:
            return target.relu_()
        return self._slide(call, step, values, longer)[0]

    def _slide(self, call: Call, step: Any, values: dict[int, Tensor], longer: int) -> list[Tensor]:
        """Run an operation over a tile that is `longer` than a window."""
        given = {}
        for i in call.inputs:
            if i in values:
                given[i] = values[i]
            else:
                still = self.stills.get(i, 1)
                given[i] = still[:, :, :1].expand(*still.shape[:2], still.shape[2] + longer)
        if call.function is torch.Tensor.__getitem__ and not hasattr(step, "index"):
            start, end, _ = call.args[1][-1].indices(self.shapes[call.inputs[0]][2])
            return [given[call.inputs[0]][:, :, start : end + longer]]
        return run_call(call, given, 1)

    def _windows(self, number: int, values: dict[int, Tensor], n_windows: int) -> Tensor:
        """Return a tensor with the windows as its batch."""
        if number not in values:
            return self.stills.get(number, n_windows)
        value = values[number]
        if number not in self.clean:
            return value
        length = self.shapes[number][2]
        return value[0].unfold(1, length, self.stride_bp)[:, :n_windows].transpose(0, 1)


def _not_sliding(why: str) -> FastPathOff:
    return FastPathOff(f"the model cannot be run in tiles: {why}")
