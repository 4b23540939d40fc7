"""The oracle of a design: one or several frozen models, read in calls of one fixed shape.

Windows come as tokens and only distinct ones are computed: most samples of a design repeat each
other or a window of the last iterations. Each call has the same shape (the last one is filled up
with N), so that a window's numbers never depend on which others were asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from cisweep.engine.gradient import GradientPass, gradient_pass_of
from cisweep.engine.operations import fast_convolutions
from cisweep.engine.policy import attempt, taken
from cisweep.engine.running import DIFFERENTIABLE, running
from cisweep.errors import DesignError, ModelError

Models = torch.nn.Module | Sequence[torch.nn.Module]


@contextmanager
def frozen(models: Sequence[torch.nn.Module], device: torch.device) -> Iterator[None]:
    """Hold models on a device, in evaluation mode, without parameter gradients; restore all of it.

    Raises ModelError if a model was another one at the end, see `steady`.
    """
    wants = [(p, p.requires_grad) for model in models for p in model.parameters()]
    try:
        for parameter, _ in wants:
            parameter.requires_grad_(False)
        with ExitStack() as held:
            for model in models:
                held.enter_context(running(model, device))
            yield
    finally:
        for parameter, want in wants:
            parameter.requires_grad_(want)


def one_hot(tokens: np.ndarray | torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return one-hot (…, 4, length) of tokens (…, length), 4 = N = zeros, typed as `like`."""
    # A copy where the array is read-only, which torch cannot mark.
    index = torch.tensor(tokens, device=like.device)
    bases = torch.arange(4, dtype=index.dtype, device=like.device)[:, None]
    return (index.unsqueeze(-2) == bases).to(like.dtype)


def tokens_of(X: torch.Tensor, name: str = "X") -> np.ndarray:
    """Return tokens (n, length) uint8 of one-hot X (n, 4, length); N = all zeros.

    Raises
    ------
    DesignError : X has another shape or is not one-hot.
    """
    if X.ndim != 3 or X.shape[1] != 4 or X.shape[0] == 0:
        raise DesignError(
            f"{name} has shape {tuple(X.shape)}", mend="give a one-hot tensor (batch, 4, length)"
        )
    sums = X.sum(1)
    if not (((X == 0) | (X == 1)).all() and (sums <= 1).all()):
        raise DesignError(f"{name} is not one-hot", mend="each position one 1, or all 0 for N")
    return torch.where(sums == 0, 4, X.argmax(1)).to(torch.uint8).numpy(force=True)


RECORDED_BP = range(1000, 20_001)
"""Windows for which a model is recorded: in shorter ones little is gained, and the recording holds
all tensors of three windows for a moment."""


class _SteadyCalls(fast_convolutions):
    """Fast convolutions, and linear layers with steady bits also where gradients flow.

    A linear layer's bits must not depend on a row's place in the batch: sizes are filled up to a
    multiple of 16, for which the library takes the same code for each row. Parameters are
    frozen, so none needs a gradient.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the result of `func`, or of what replaces it."""
        if func is F.linear and not kwargs and torch.is_grad_enabled():
            return _linear(*args)
        return super().__torch_function__(func, types, args, kwargs)


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None):
    if x.device.type != "cpu" or weight.ndim != 2:
        return F.linear(x, weight, bias)
    n_out, n_in = weight.shape
    weight = F.pad(weight, (0, -n_in % 16, 0, -n_out % 16))
    y = F.linear(F.pad(x, (0, -n_in % 16)), weight)[..., :n_out]
    return y if bias is None else y + bias


def call_size(like: torch.Tensor, length: int) -> int:
    """Return the windows of a call: on CPU what stays in cache, elsewhere what fills a device."""
    return max(1, min(16, 9000 // length)) if like.device.type == "cpu" else 256


def check_connected(y: torch.Tensor) -> None:
    """Raise a DesignError if predictions have no gradient with respect to the sequence."""
    if not y.requires_grad:
        raise DesignError(
            "the model's output has no gradient with respect to the sequence, along which a "
            "design moves (it looks letters up by argmax, compares, or detaches)",
            where="model",
            mend=DIFFERENTIABLE,
        )


def check_target(target: int | None) -> None:
    """Raise a DesignError unless `target` is None or the index of an output."""
    if target is not None and (isinstance(target, bool) or not isinstance(target, int)):
        raise DesignError(f"target must be an integer or None, not {target!r}")
    if target is not None and target < 0:
        raise DesignError(f"target must not be negative, not {target}")


class Oracle:
    """One or several models whose outputs, flattened and joined, are the K outputs to design.

    Parameters
    ----------
    models : module or modules giving (n, …) each; wrap models that give several tensors.
    target : output to slice out of the joined ones; None = all.
    like : a tensor with the device and dtype to compute in.
    windows_per_call : fixed number of windows of each call of the model.
    recorded : run long windows by a recorded pass, which pays where gradients are asked for often.
    """

    def __init__(
        self, models: Models, target: int | None, like: torch.Tensor, windows_per_call: int,
        recorded: bool = False,
    ):  # fmt: skip
        self.models = [models] if isinstance(models, torch.nn.Module) else list(models)
        self.target, self.like, self.windows_per_call = target, like, windows_per_call
        self.recorded = recorded
        self._runs: list[Callable[[torch.Tensor], Any]] = []
        if not self.models or not all(isinstance(m, torch.nn.Module) for m in self.models):
            raise DesignError("model must be a torch.nn.Module or a list of them")
        if windows_per_call < 1:
            raise DesignError(f"windows_per_call must be positive, not {windows_per_call}")

    def outputs(self, X: torch.Tensor) -> torch.Tensor:
        """Return the joined outputs (n, K) of one-hot X (n, 4, length)."""
        parts = []
        for model, run in zip(self.models, self._runs_of(X)):
            with _SteadyCalls():
                y = run(X)
            if not isinstance(y, torch.Tensor) or y.ndim == 0 or y.shape[0] != len(X):
                raise ModelError(
                    "the oracle must give one tensor with a row per window",
                    where=type(model).__name__,
                    mend="wrap it (CountWrapper, ProfileWrapper, or your own nn.Module)",
                )
            parts.append(y.reshape(len(X), -1))
        return self.targeted(torch.cat(parts, 1) if len(parts) > 1 else parts[0])

    def targeted(self, joined: torch.Tensor) -> torch.Tensor:
        """Return the outputs that are designed, (n, K), of all joined ones."""
        if self.target is None:
            return joined
        if self.target >= joined.shape[1]:
            raise DesignError(
                f"target={self.target} selects no output: the oracle has {joined.shape[1]}"
            )
        return joined[:, self.target : self.target + 1]

    def _runs_of(self, X: torch.Tensor) -> list[Callable[[torch.Tensor], Any]]:
        """Return what is called for each model: a pass over what its output reads, or the model."""
        if not self._runs:
            recorded = self.recorded and X.shape[-1] in RECORDED_BP
            self._runs = [(recorded and self._recorded(m, X)) or m for m in self.models]
        return self._runs

    @staticmethod
    def _recorded(model: torch.nn.Module, X: torch.Tensor) -> GradientPass | None:
        made = attempt("gradients of the design", lambda: gradient_pass_of(model, X))
        if made is not None:
            taken("gradients of the design")
        return made

    def _calls(self, tokens: np.ndarray) -> Iterator[tuple[slice, torch.Tensor]]:
        step = self.windows_per_call
        for start in range(0, len(tokens), step):
            part = tokens[start : start + step]
            rows = slice(start, start + len(part))
            if len(part) < step:
                filler = np.full((step - len(part), tokens.shape[1]), 4, np.uint8)
                part = np.concatenate([part, filler])
            yield rows, one_hot(part, self.like)

    @torch.no_grad()
    def predict(self, tokens: np.ndarray) -> torch.Tensor:
        """Return predictions (n, K) of windows given as tokens (n, length), without gradients."""
        return torch.cat([self.outputs(X)[: s.stop - s.start] for s, X in self._calls(tokens)])

    def gradients(
        self, tokens: np.ndarray, losses: Callable[[torch.Tensor, slice], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return predictions (n, K) and the gradient (n, 4, length) of each window's own loss.

        `losses(y, rows)` gives the losses of the windows `rows` from their predictions; a window's
        loss may depend on that window alone, so each call is back-propagated and freed at once.
        """
        predictions, gradients = [], []
        for rows, X in self._calls(tokens):
            n = rows.stop - rows.start
            X.requires_grad_(True)
            y = self.outputs(X)[:n]
            check_connected(y)
            (gradient,) = torch.autograd.grad(losses(y, rows).sum(), X)
            predictions.append(y.detach())
            gradients.append(gradient[:n])
        return torch.cat(predictions), torch.cat(gradients)

    def joint_gradient(
        self, tokens: np.ndarray, loss: Callable[[torch.Tensor], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return predictions, one loss over all windows together, and its gradient (n, 4, length).

        For a caller's loss of unknown form: every window's graph lives until the loss is known.
        """
        inputs, ys = [], []
        for rows, X in self._calls(tokens):
            inputs.append(X.requires_grad_(True))
            ys.append(self.outputs(X)[: rows.stop - rows.start])
        y = torch.cat(ys)
        check_connected(y)
        value = loss(y)
        if value.ndim != 0:
            raise DesignError("output_loss must give one number for a batch of predictions")
        gradients = torch.autograd.grad(value, inputs)
        return y.detach(), value.detach(), torch.cat(gradients)[: len(tokens)]
