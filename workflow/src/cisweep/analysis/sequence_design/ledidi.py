"""Ledidi's class, its loss of a gap and its joint model, with Ledidi's names and arguments.

The class is a thin one: `design` does what it is asked.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cisweep.analysis.prediction.predict import predict
from cisweep.analysis.sequence_design.design import design
from cisweep.analysis.sequence_design.loop import Options, Problem, draw
from cisweep.analysis.sequence_design.oracle import check_target, one_hot
from cisweep.errors import DesignError

_EDITS, _MSE = nn.L1Loss(reduction="sum"), nn.MSELoss()


class DesignWrapper(nn.Module):
    """Several models as one, whose output is theirs joined along the last axis.

    models: a list of modules, whose outputs agree on every axis but the last. Raises DesignError
    for anything else. Source: Ledidi 2.2.0 wrappers.DesignWrapper. `design` takes a list of models
    too, and joins their flattened outputs.
    """

    def __init__(self, models: Sequence[nn.Module]):
        super().__init__()
        is_list = isinstance(models, list | tuple)
        if not is_list or not models or not all(isinstance(m, nn.Module) for m in models):
            raise DesignError(
                "models is no list of models", mend="give a list of one or more torch.nn.Module"
            )
        self.models = nn.ModuleList(models)

    def forward(self, X: Tensor) -> Tensor:
        """Return the joined outputs (N, …, K) for X."""
        found = [model(X) for model in self.models]
        shapes = [tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__ for y in found]
        if not all(isinstance(s, tuple) and s and s[:-1] == shapes[0][:-1] for s in shapes):
            raise DesignError(
                f"the models return {', '.join(map(str, shapes))}, which cannot be joined",
                where="models",
                mend="wrap them: all axes but the last must agree",
            )
        return torch.cat(found, dim=-1)


class MinGap:
    """A loss that drives the lowest output that is wanted above the highest of the others.

    in_mask: bool (n,), True for the outputs of the model that should be high; at least one of each
    kind, else DesignError. Called with predictions (N, n) and a y_bar that is not read, it
    returns the mean over N of (highest unwanted − lowest wanted).
    Source: Gosai et al. 2024, Nature 634; Ledidi 2.2.0 losses.MinGap.
    """

    def __init__(self, in_mask: Tensor):
        if not isinstance(in_mask, Tensor) or in_mask.dtype != torch.bool or in_mask.ndim != 1:
            raise DesignError("in_mask is no bool tensor (n,)", mend="give True for what is wanted")
        if in_mask.all() or not in_mask.any():
            raise DesignError(
                "in_mask has outputs of one kind only",
                mend="give at least one True and one False",
            )
        self.in_mask = in_mask

    def __call__(self, y_hat: Tensor, y_bar: Any = None) -> Tensor:
        """Return the loss, a scalar, of predictions (N, n)."""
        if y_hat.ndim != 2 or y_hat.shape[1] != len(self.in_mask):
            raise DesignError(
                f"predictions have shape {tuple(y_hat.shape)}, and in_mask {len(self.in_mask)} "
                "values",
                where="MinGap",
                mend="give a value of in_mask for each output",
            )
        mask = self.in_mask.to(y_hat.device)
        return (y_hat[:, ~mask].amax(dim=1) - y_hat[:, mask].amin(dim=1)).mean()


class _Output(nn.Module):
    """A model of which one entry of the second axis is left."""

    def __init__(self, model: nn.Module, target: int):
        super().__init__()
        self.model, self.target = model, target

    def forward(self, X: Tensor) -> Tensor:
        return self.model(X)[:, self.target : self.target + 1]


def _is_edit_count(loss: Callable[..., Tensor]) -> bool:
    return type(loss) is nn.L1Loss and loss.reduction == "sum"


class Ledidi(nn.Module):
    """A designer of one sequence: `fit_transform` learns weights, and calls sample from them.

    Parameters
    ----------
    model: a module that returns one tensor (N, …). It is left as it is found.
    shape: (4, length) of the sequence.
    target: entry of the output's second axis; None for all.
    input_loss, output_loss: of (sample, template) and of (predictions, y_bar); one number each.
    tau, l, batch_size, max_iter, early_stopping_iter, report_iter, lr, eps: see `design`.
    input_mask: bool (length,), True = frozen.
    initial_weights: (1, 4, length) priors, which are copied.
    return_history: `fit_transform` returns the losses and edits of each iteration too.
    verbose: print them every report_iter iterations.
    random_state: seed of the noise; None draws it from torch's own state.

    Attributes
    ----------
    weights: Parameter (1, 4, length), added to log(X + eps).

    Raises
    ------
    DesignError: an argument that is wrong, or a shape of other than four letters.

    Source: Schreiber et al., Ledidi 2.2.0 Ledidi. Samples are exact one-hots and carry the
    straight-through gradient; noise is drawn on the CPU whatever the device.
    """

    def __init__(
        self,
        model: nn.Module,
        shape: Sequence[int],
        target: int | None = None,
        input_loss: Callable[..., Tensor] = _EDITS,
        output_loss: Callable[..., Tensor] = _MSE,
        tau: float = 1,
        l: float = 0.1,
        batch_size: int = 16,
        max_iter: int = 1000,
        early_stopping_iter: int = 100,
        report_iter: int = 100,
        lr: float = 1.0,
        input_mask: Tensor | None = None,
        initial_weights: Tensor | None = None,
        eps: float = 1e-4,
        return_history: bool = False,
        verbose: bool = True,
        random_state: int | None = None,
    ):
        super().__init__()
        if not isinstance(model, nn.Module):
            raise DesignError(f"model is a {type(model).__name__}", mend="give a torch.nn.Module")
        if len(shape) != 2 or shape[0] != 4 or shape[1] < 1:
            raise DesignError(
                f"shape is {tuple(shape)}: sequences of DNA alone are designed",
                mend="give (4, length)",
            )
        check_target(target)
        length = int(shape[1])
        if input_mask is not None and (
            not isinstance(input_mask, Tensor)
            or input_mask.dtype != torch.bool
            or tuple(input_mask.shape) != (length,)
        ):
            raise DesignError(
                "input_mask is no bool tensor of one value a position",
                mend=f"give bool ({length},), True = frozen",
            )
        if initial_weights is None:
            initial_weights = torch.zeros(1, 4, length)
        elif tuple(initial_weights.shape) != (1, 4, length):
            raise DesignError(
                f"initial_weights has shape {tuple(initial_weights.shape)}",
                mend=f"give (1, 4, {length})",
            )
        self.model, self.target = model, target
        self.input_loss, self.output_loss = input_loss, output_loss
        self.tau, self.l, self.batch_size, self.max_iter = tau, l, batch_size, max_iter
        self.early_stopping_iter, self.report_iter = early_stopping_iter, report_iter
        self.lr, self.eps, self.input_mask = lr, eps, input_mask
        self.return_history, self.verbose = return_history, verbose
        self.random_state = random_state
        self.weights = nn.Parameter(initial_weights.detach().clone().float())
        self._generator: torch.Generator | None = None
        Options(**self._numbers())  # says what is wrong with one

    def _numbers(self) -> dict[str, Any]:
        names = ("tau", "l", "batch_size", "max_iter", "early_stopping_iter", "report_iter", "lr",
                 "eps")  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def _noise(self, _: int, shape: tuple[int, int, int]) -> Tensor:
        """Return the next noise: it goes on from call to call."""
        if self.random_state is not None and self._generator is None:
            self._generator = torch.Generator().manual_seed(self.random_state)
        return -torch.empty(shape).exponential_(generator=self._generator).log()

    def _checked(self, X: Tensor) -> Tensor:
        if tuple(X.shape) != tuple(self.weights.shape):
            raise DesignError(
                f"X has shape {tuple(X.shape)}, and the designer is of {tuple(self.weights.shape)}",
                mend="give one sequence of this length",
            )
        return X

    def forward(self, X: Tensor) -> Tensor:
        """Return samples (batch_size, 4, length) of the weights around X (1, 4, length)."""
        X = self._checked(X).to(self.weights.device)
        logits = torch.log(X + self.eps) + self.weights
        length = X.shape[2]
        around = Problem(
            tokens=np.zeros(length, np.uint8), objective=None, noise=self._noise,
            frozen=np.zeros(length, bool), weights=self.weights[0],
        )  # fmt: skip
        soft, tokens = draw([around], [0], logits, Options(**self._numbers()))
        # The gradient is that of the soft samples, whose difference to themselves is exactly 0.
        return one_hot(tokens[0], logits) + (soft[0] - soft[0].detach())

    def fit_transform(self, X: Tensor, y_bar: Tensor) -> Tensor | tuple[Tensor, dict[str, Any]]:
        """Return the best batch of edits (batch_size, 4, length) of X, as `design` finds it.

        X: one-hot (1, 4, length), zeros for an N that is to be filled in; y_bar: (1, …), the wanted
        output. The weights are then those of that batch, and a further fit goes on from them. With
        `return_history` a tuple of the batch and a dict of `edits`, `input_loss`, `output_loss`,
        `total_loss` (lists over iterations) and `batch_size`. Raises DesignError.
        """
        self._checked(X)
        if not isinstance(y_bar, Tensor) or y_bar.ndim == 0 or len(y_bar) != 1:
            raise DesignError("y_bar is no tensor (1, …)", mend="give one wanted output")
        device = self.weights.device
        model, target, goal, loss = self._goal(X, y_bar, device)
        found, designer, *history = design(
            model, X, goal, return_designer=True, return_history=self.return_history,
            device=device, random_state=0, target=target,
            input_loss=None if _is_edit_count(self.input_loss) else self.input_loss,
            output_loss=loss, input_mask=self.input_mask, initial_weights=self.weights,
            verbose=self.verbose, noise=self._noise, **self._numbers(),
        )  # fmt: skip
        self.weights = nn.Parameter(designer.weights.detach().to(device))
        return (found, history[0]) if self.return_history else found

    def _goal(
        self, X: Tensor, y_bar: Tensor, device: torch.device
    ) -> tuple[nn.Module, int | None, Tensor, Callable[..., Tensor] | None]:
        """Return what `design` is given: model, target, y_bar and a loss that is not its own."""
        y = predict(self.model, X, device=device)
        if not isinstance(y, Tensor):
            raise DesignError(f"the model returns {len(y)} outputs", mend="wrap it to return one")
        model, target = self.model, self.target
        if target is not None and y.ndim > 2:  # `design` counts flattened outputs
            if target >= y.shape[1]:
                raise DesignError(f"target={target} selects no output: there are {y.shape[1]}")
            model, target, y = _Output(model, target), None, y[:, target : target + 1]
        elif target is not None:
            y = y[:, target : target + 1]
        if type(self.output_loss) is nn.MSELoss and self.output_loss.reduction == "mean":
            return model, target, y_bar, None
        shape, wanted = y.shape[1:], y_bar

        def loss(y_hat: Tensor, _: Tensor) -> Tensor:
            n = len(y_hat)
            return self.output_loss(
                y_hat.view(n, *shape), wanted.to(y_hat.device).expand(n, *wanted.shape[1:])
            )

        return model, target, torch.zeros_like(y), loss
