"""The optimisation of many designs at once: Ledidi's straight-through Gumbel-softmax with AdamW.

Each region has its own weights, optimiser state, noise generator, best batch and stop; they share
only the calls of the oracle. A region that stops leaves its slot to the next one, and no number of
a region depends on which others are in the slots.

Reference: Ledidi 2.2.0 (Schreiber et al. 2025). Two differences: samples are exact one-hots, where
the reference's straight-through sum can be off by a rounding step, and only windows that have not
been computed in the last iterations go through the oracle.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from cisweep.analysis.sequence_design.goals import Objective, window_losses
from cisweep.analysis.sequence_design.oracle import Oracle, one_hot
from cisweep.errors import DesignError

BETA_1, BETA_2, ADAM_EPS, WEIGHT_DECAY = 0.9, 0.999, 1e-8, 0.01  # AdamW's defaults in torch

Noise = Callable[[int, tuple[int, int, int]], torch.Tensor]
"""Gumbel noise (batch, 4, length) of iteration 1, 2, … of a region."""


class Repair(Protocol):
    """What makes samples fulfil hard constraints (analysis/sequence_design/constraints.py)."""

    def holds(self, samples: np.ndarray) -> np.ndarray:
        """Return bool (n,), whether each sample (n, length) fulfils all constraints."""

    def repair(self, samples: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return samples (n, length) that fulfil all constraints, near the given ones."""


@dataclass(frozen=True)
class Options:
    """Numbers of the optimisation, by Ledidi's names."""

    input_loss: Callable[..., torch.Tensor] | None = None
    tau: float = 1.0
    l: float = 0.1
    batch_size: int = 16
    max_iter: int = 1000
    early_stopping_iter: int = 100
    report_iter: int = 100
    lr: float = 1.0
    eps: float = 1e-4
    return_history: bool = False
    verbose: bool = False
    regions_per_batch: int = 32

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_iter", "early_stopping_iter", "report_iter",
                     "regions_per_batch"):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise DesignError(f"{name} must be a positive integer, not {value!r}")
        for name in ("tau", "lr", "eps"):
            if not getattr(self, name) > 0:
                raise DesignError(f"{name} must be positive, not {getattr(self, name)}")
        if not self.l >= 0:
            raise DesignError(f"l must not be negative, not {self.l}")


@dataclass(frozen=True)
class Problem:
    """One region with one goal."""

    tokens: np.ndarray
    """The unedited window, uint8 (length,), 4 = N = to be in-painted."""
    objective: Objective | None
    """Goals as numbers; None where `output_loss` decides."""
    noise: Noise
    frozen: np.ndarray
    """True = the base stays, bool (length,)."""
    weights: torch.Tensor
    """Initial weights (4, length)."""
    y_bar: torch.Tensor | None = None
    output_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    """A caller's loss of (predictions (batch, …), y_bar (batch, …)), instead of `objective`."""
    repair: Repair | None = None
    name: str = ""


@dataclass
class Solution:
    """What the optimisation of one problem gave."""

    problem: Problem
    y_start: torch.Tensor
    """Prediction of the unedited window, shape (K,)."""
    tokens: np.ndarray
    """The batch at the lowest total loss, uint8 (batch, length)."""
    weights: torch.Tensor
    """Weights (4, length) after the update of that batch."""
    input_loss: float
    output_loss: float
    total_loss: float
    n_iter: int = 0
    history: dict[str, Any] = field(default_factory=dict)
    waited: int = 0
    """Iterations without improvement."""

    def take(self, losses: np.ndarray, tokens: np.ndarray, weights: torch.Tensor) -> bool:
        """Keep the batch if its (input, output, total) loss is the lowest; return if it was."""
        self.n_iter += 1
        if not losses[2] < self.total_loss:
            self.waited += 1
            return False
        self.input_loss, self.output_loss, self.total_loss = map(float, losses)
        self.tokens, self.weights, self.waited = tokens.copy(), weights.clone(), 0
        return True


class _Memo:
    """Predictions and gradients of the windows seen last, in rows of two tensors."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.rows: OrderedDict[tuple[int, bytes], int] = OrderedDict()
        self.y: torch.Tensor | None = None
        self.gradients: torch.Tensor | None = None

    def find(self, keys: list[tuple[int, bytes]]) -> list[int]:
        """Return the positions in `keys` of windows to compute, each window once."""
        missing = {}
        for i, key in enumerate(keys):
            if key in self.rows:
                self.rows.move_to_end(key)
            else:
                missing.setdefault(key, i)
        return list(missing.values())

    def add(self, keys: list[tuple[int, bytes]], y: torch.Tensor, gradients: torch.Tensor) -> None:
        """Store computed windows in free rows, or in those used longest ago."""
        if self.y is None or self.gradients is None:
            self.y = y.new_empty((self.capacity, *y.shape[1:]))
            self.gradients = gradients.new_empty((self.capacity, *gradients.shape[1:]))
        rows = []
        for key in keys:
            full = len(self.rows) == self.capacity
            row = self.rows.popitem(last=False)[1] if full else len(self.rows)
            self.rows[key] = row
            rows.append(row)
        self.y[rows], self.gradients[rows] = y, gradients

    def get(self, keys: list[tuple[int, bytes]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return predictions and gradients in the order of `keys`."""
        assert self.y is not None and self.gradients is not None
        rows = torch.tensor([self.rows[key] for key in keys], device=self.y.device)
        return self.y[rows], self.gradients[rows]


class _Slots:
    """The state of the regions under optimisation, stacked along the first axis."""

    def __init__(self, oracle: Oracle, options: Options):
        self.oracle, self.options = oracle, options
        # A sample of this iteration must never push out another one of it.
        self.memo = _Memo(4 * options.regions_per_batch * options.batch_size)
        self.solutions: list[Solution] = []
        self.ids: list[int] = []
        self.W = self.m = self.v = self.log_x = self.x = self.updates = None

    def join(self, ids: list[int], problems: list[Problem], y_start: torch.Tensor) -> None:
        """Take new problems into free slots, with the unedited window as the best so far."""
        like = self.oracle.like
        x = one_hot(np.stack([p.tokens for p in problems]), like)
        W = torch.stack([p.weights for p in problems]).to(device=like.device)
        zeros = torch.zeros_like(W)
        fresh = (W, zeros, zeros.clone(), torch.log(x + self.options.eps), x,
                 torch.zeros(len(W), 1, 1, dtype=torch.float64, device=like.device))  # fmt: skip
        old = (self.W, self.m, self.v, self.log_x, self.x, self.updates)
        self._set(n if o is None else torch.cat([o, n]) for o, n in zip(old, fresh))
        for i, problem, y, weights in zip(ids, problems, y_start, W):
            batch = np.repeat(problem.tokens[None], self.options.batch_size, 0)
            loss = _loss_of(problem, y[None])
            history = {"edits": [], "input_loss": [], "output_loss": [], "total_loss": [],
                       "batch_size": self.options.batch_size}  # fmt: skip
            # The unedited window is the one to beat only where it could be an answer itself.
            total = loss if _is_answer(problem) else float("inf")
            self.solutions.append(
                Solution(problem, y, batch, weights.clone(), 0.0, loss, total, history=history)
            )
            self.ids.append(i)

    def _set(self, tensors: Iterable[torch.Tensor]) -> None:
        self.W, self.m, self.v, self.log_x, self.x, self.updates = tensors

    def leave(self) -> list[tuple[int, Solution]]:
        """Return the problems that have stopped and free their slots."""
        stop = [s.waited >= self.options.early_stopping_iter
                or s.n_iter >= self.options.max_iter for s in self.solutions]  # fmt: skip
        if not any(stop):
            return []
        done = [(i, s) for i, s, end in zip(self.ids, self.solutions, stop) if end]
        self.ids = [i for i, end in zip(self.ids, stop) if not end]
        self.solutions = [s for s, end in zip(self.solutions, stop) if not end]
        stay = torch.tensor([not end for end in stop], device=self.W.device)
        self._set(t[stay] for t in (self.W, self.m, self.v, self.log_x, self.x, self.updates))
        return done

    def iterate(self) -> None:
        """Draw a batch of samples for each region, measure them and move the weights."""
        problems = [s.problem for s in self.solutions]
        iterations = [s.n_iter + 1 for s in self.solutions]
        soft, tokens = draw(problems, iterations, self.log_x + self.W, self.options)
        output, gradients = self._measure(problems, tokens)
        template = np.stack([p.tokens for p in problems])[:, None]
        known = template != 4
        edits = ((tokens != template) & known).sum(2)
        extra, input_loss = self._edit_penalty(tokens, edits, known)
        gradients = gradients + extra
        flow = soft * (gradients - (soft * gradients).sum(2, keepdim=True))
        self._adamw((flow / self.options.tau).sum(1).to(self.W.dtype))
        total = output + self.options.l * input_loss
        for k, solution in enumerate(self.solutions):
            losses = np.array([input_loss[k], output[k], total[k]])
            solution.take(losses, tokens[k], self.W[k])
            self._report(solution, losses, tokens[k])

    def _measure(
        self, problems: list[Problem], tokens: np.ndarray
    ) -> tuple[np.ndarray, torch.Tensor]:
        """Return the output loss of each region and its gradient (S, B, 4, length)."""
        if problems[0].output_loss is not None:
            return self._measure_jointly(problems, tokens)
        S, B, L = tokens.shape
        flat = tokens.reshape(S * B, L)
        keys = [(self.ids[i // B], row.tobytes()) for i, row in enumerate(flat)]
        goals = [p.objective.to(self.oracle.like) for p in problems]  # type: ignore[union-attr]
        y_bar, weight, sign = (
            torch.stack([getattr(g, name) for g in goals]) for name in ("y_bar", "weight", "sign")
        )
        missing = self.memo.find(keys)
        if missing:
            owner = torch.tensor(missing, device=y_bar.device) // B

            def losses(y: torch.Tensor, rows: slice) -> torch.Tensor:
                k = owner[rows]
                return window_losses(y, Objective(y_bar[k], weight[k], sign[k])) / B

            y, gradients = self.oracle.gradients(flat[missing], losses)
            self.memo.add([keys[i] for i in missing], y, gradients)
        y, gradients = self.memo.get(keys)
        goal = Objective(y_bar[:, None], weight[:, None], sign[:, None])
        # In float64 a batch of unedited windows has exactly the loss of the unedited window.
        loss = window_losses(y.view(S, B, -1), goal).double().mean(1)
        return loss.numpy(force=True), gradients.view(S, B, 4, L)

    def _measure_jointly(
        self, problems: list[Problem], tokens: np.ndarray
    ) -> tuple[np.ndarray, torch.Tensor]:
        values, gradients = [], []
        for problem, batch in zip(problems, tokens):
            _, value, gradient = self.oracle.joint_gradient(
                batch, lambda y, p=problem: _callers_loss(p, y)
            )
            values.append(float(value))
            gradients.append(gradient)
        return np.array(values), torch.stack(gradients)

    def _edit_penalty(
        self, tokens: np.ndarray, edits: np.ndarray, known: np.ndarray
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Return l × the gradient of the input loss (S, B, 4, length), and the loss (S,)."""
        B, l, x = self.options.batch_size, self.options.l, self.x[:, None]
        X_hat = one_hot(tokens, self.oracle.like)
        mask = torch.as_tensor(known, device=X_hat.device)[:, :, None]
        if self.options.input_loss is None:
            return torch.sign(X_hat - x) * mask * (l / (2 * B)), edits.mean(1)
        X_hat.requires_grad_(True)
        values = [
            self.options.input_loss(s[:, :, m[0, 0]], t.expand_as(s)[:, :, m[0, 0]]) / (2 * B)
            for s, t, m in zip(X_hat, x, mask)
        ]
        (gradient,) = torch.autograd.grad(torch.stack(values).sum() * l, X_hat)
        return gradient, torch.stack(values).numpy(force=True)

    @torch.no_grad()
    def _adamw(self, gradient: torch.Tensor) -> None:
        """Move the weights; the updates are torch.optim.AdamW's, counted per region."""
        lr = self.options.lr
        self.updates += 1
        dtype = self.W.dtype
        rate = (lr / (1 - BETA_1**self.updates)).to(dtype)
        root = (1 - BETA_2**self.updates).sqrt().to(dtype)
        self.W.mul_(1 - lr * WEIGHT_DECAY)
        self.m.lerp_(gradient, 1 - BETA_1)
        self.v.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        self.W.sub_(rate * (self.m / ((self.v.sqrt() / root).add_(ADAM_EPS))))

    def _report(self, solution: Solution, losses: np.ndarray, tokens: np.ndarray) -> None:
        if self.options.return_history:
            history = solution.history
            history["edits"].append(_changed(tokens, solution.problem.tokens))
            for name, value in zip(("input_loss", "output_loss", "total_loss"), losses):
                history[name].append(float(value))
        if self.options.verbose and solution.n_iter % self.options.report_iter == 0:
            print(
                f"{solution.problem.name}iter={solution.n_iter}\tinput_loss={losses[0]:.4g}\t"
                f"output_loss={losses[1]:.4g}\ttotal_loss={losses[2]:.4g}"
            )


def draw(
    problems: list[Problem], iterations: list[int], logits: torch.Tensor, options: Options
) -> tuple[torch.Tensor, np.ndarray]:
    """Return the soft samples (S, B, 4, length) and the hard ones as tokens (S, B, length).

    `logits` are log(X + eps) + weights, (S, 4, length). Frozen bases stay, and the samples of a
    region with constraints are repaired to the best ones, by perturbed logit, that fulfil them.
    """
    shape = (options.batch_size, *logits.shape[1:])
    noise = torch.stack([p.noise(i, shape) for p, i in zip(problems, iterations)])
    perturbed = (logits[:, None] + noise.to(logits)) / options.tau
    soft = perturbed.softmax(2)
    tokens = _best_base(soft).numpy(force=True)
    for k, problem in enumerate(problems):
        tokens[k] = np.where(problem.frozen, problem.tokens, tokens[k])
        if problem.repair is not None:
            tokens[k] = problem.repair.repair(tokens[k], perturbed[k].numpy(force=True))
    return soft, tokens


def _best_base(soft: torch.Tensor) -> torch.Tensor:
    """Return the argmax over axis 2 as uint8; torch's own is slow on an inner axis of four."""
    a, c, g, t = soft.unbind(2)
    left, right = torch.maximum(a, c), torch.maximum(g, t)
    pair = torch.where(right > left, (t > g) + 2, (c > a).long())
    return pair.to(torch.uint8)


def _is_answer(problem: Problem) -> bool:
    """Return whether the unedited window has no N to fill, no banned base and no fault."""
    known = problem.tokens != 4
    at = np.flatnonzero(known)
    liked = problem.weights.numpy()[problem.tokens[at].astype(np.int64), at]
    full = bool((known | problem.frozen).all()) and bool(np.isfinite(liked).all())
    return full and (problem.repair is None or bool(problem.repair.holds(problem.tokens[None])[0]))


def _loss_of(problem: Problem, y: torch.Tensor) -> float:
    if problem.objective is None:
        return float(_callers_loss(problem, y))
    return float(window_losses(y, problem.objective.to(y)).double().mean())


def _callers_loss(problem: Problem, y: torch.Tensor) -> torch.Tensor:
    assert problem.output_loss is not None and problem.y_bar is not None
    y_bar = problem.y_bar.to(y.device)
    if y[0].numel() == y_bar.numel():  # a loss may also read no y_bar, or broadcast it
        y = y.view(len(y), *y_bar.shape)
    return problem.output_loss(y, y_bar.expand(len(y), *y_bar.shape))


def _changed(tokens: np.ndarray, template: np.ndarray) -> tuple[torch.Tensor, ...]:
    """Return (sample, base, position) of each one-hot entry that differs from the template."""
    sample, position = np.nonzero(tokens != template)
    before, after = template[position], tokens[sample, position]
    old = before != 4  # an N has no entry to lose
    rows = np.concatenate([np.stack([sample, after, position]),
                           np.stack([sample, before, position])[:, old]], 1)  # fmt: skip
    rows = rows[:, np.lexsort((rows[2], rows[1], rows[0]))]
    return tuple(torch.from_numpy(row.astype(np.int64)) for row in rows)


def optimise(
    oracle: Oracle, problems: list[Problem], options: Options
) -> Iterator[tuple[int, Solution]]:
    """Yield (index of the problem, its solution) as each one stops.

    Up to `options.regions_per_batch` problems are under optimisation at a time. The oracle's
    models must be frozen by the caller.
    """
    slots, waiting = _Slots(oracle, options), list(range(len(problems)))
    began = time.perf_counter()
    while waiting or slots.ids:
        free = options.regions_per_batch - len(slots.ids)
        if waiting and free:
            fresh, waiting = waiting[:free], waiting[free:]
            new = [problems[i] for i in fresh]
            slots.join(fresh, new, oracle.predict(np.stack([p.tokens for p in new])))
        slots.iterate()
        for i, solution in slots.leave():
            if options.verbose:
                print(
                    f"{solution.problem.name}iter=F\ttotal_loss={solution.total_loss:.4g}\t"
                    f"time={time.perf_counter() - began:.4g}"
                )
            yield i, solution
