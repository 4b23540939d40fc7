"""Sequences edited by gradient descent so that a model predicts what is wanted (Ledidi)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cisweep.analysis.sequence_design.goals import Goal, Objective, goal_objective, plain_objective
from cisweep.analysis.sequence_design.loop import (
    Options,
    Problem,
    Repair,
    Solution,
    draw,
    optimise,
)
from cisweep.analysis.sequence_design.oracle import (
    Models,
    Oracle,
    call_size,
    check_target,
    frozen,
    one_hot,
    tokens_of,
)
from cisweep.engine.running import resolve_device
from cisweep.errors import DesignError

Wanted = torch.Tensor | Sequence[Goal] | Sequence[Sequence[Goal]]
NoiseLike = torch.Tensor | Callable[[int, tuple[int, int, int]], torch.Tensor]


@dataclass
class Designer:
    """A fitted design of one region; call it for further samples of the learned distribution.

    `weights` (1, 4, length) are added to log(X + eps); the noise goes on where the fit stopped.
    """

    solution: Solution
    options: Options
    X: torch.Tensor
    drawn: int = 0

    @property
    def weights(self) -> torch.Tensor:
        """Learned weights, shape (1, 4, length)."""
        return self.solution.weights[None]

    @property
    def y_start(self) -> torch.Tensor:
        """Prediction of the unedited window, shape (K,)."""
        return self.solution.y_start

    @torch.no_grad()
    def tokens(self) -> np.ndarray:
        """Return one batch of samples as tokens uint8 (batch, length), 4 = N."""
        self.drawn += 1
        logits = torch.log(self.X + self.options.eps) + self.weights.to(self.X)
        turn = self.solution.n_iter + self.drawn
        return draw([self.solution.problem], [turn], logits, self.options)[1][0]

    def __call__(self, X: torch.Tensor | None = None) -> torch.Tensor:
        """Return one batch of samples, one-hot (batch, 4, length), of X or of the fitted window."""
        if X is not None and not torch.equal(X.to(self.X), self.X):
            raise DesignError("this designer was fitted on another sequence", mend="design anew")
        return one_hot(self.tokens(), self.X)


def design(
    model: Models,
    X: torch.Tensor,
    y_bar: Wanted | list[torch.Tensor],
    n_repeats: int = 1,
    n_samples: int | None = None,
    return_designer: bool = False,
    return_history: bool = False,
    device: str | torch.device | None = None,
    random_state: int | Sequence[int] | None = None,
    *,
    target: int | None = None,
    input_loss: Callable[..., torch.Tensor] | None = None,
    output_loss: Callable[..., torch.Tensor] | None = None,
    tau: float = 1,
    l: float = 0.1,
    batch_size: int = 16,
    max_iter: int = 1000,
    early_stopping_iter: int = 100,
    report_iter: int = 100,
    lr: float = 1.0,
    input_mask: torch.Tensor | None = None,
    initial_weights: torch.Tensor | None = None,
    eps: float = 1e-4,
    verbose: bool = False,
    noise: NoiseLike | None = None,
    constraints: Repair | Sequence[Repair | None] | None = None,
    regions_per_batch: int = 32,
    windows_per_call: int | None = None,
) -> torch.Tensor | list[Any]:
    """Return edited sequences whose predictions are near `y_bar`, with as few edits as can be.

    The loss is the output loss plus `l` × the mean number of edits of a sample; edits are drawn by
    a hard Gumbel-softmax around log(X + eps) + weights, and AdamW moves the weights. The batch of
    samples with the lowest total loss is returned; the unedited sequence is the one to beat.

    Parameters
    ----------
    model : module giving predictions (batch, …), or a list of modules whose flattened outputs are
        joined. Its mode, gradients and device are as before afterwards, also on error.
    X : one-hot (regions, 4, length), A C G T; a position of zeros (N) is filled in freely and
        costs nothing.
    y_bar : wanted predictions: a tensor (1, …) for all regions or (regions, …); a list of such
        tensors is a catalogue. Or goals: a list of `Goal` for all regions, or one list per region.
    n_repeats : designs of each region and goal, with other noise.
    n_samples : samples to draw from the learned distribution; None = the best batch.
    return_designer, return_history : append the `Designer` objects, the histories.
    device : where to compute; None = the GPU if there is one, else the CPU.
    random_state : seed of the noise, by region if a sequence is given. Goal i and repeat j add
        i · n_repeats + j. A region gets the same design whichever others share the call.
    target : output to slice out; None = all of them.
    input_loss, output_loss : callables (sample, template) and (predictions, y_bar) giving one
        number; None = the L1 norm and the mean squared error.
    tau, l, batch_size, max_iter, early_stopping_iter, report_iter, lr, eps : as in Ledidi.
    input_mask : bool (length,) or (regions, length), True = frozen.
    initial_weights : (1 or regions, 4, length) priors; −inf forbids a base.
    noise : Gumbel noise instead of drawn one: a tensor (iterations, batch, 4, length), or a
        callable of the iteration (from 1) and the shape.
    constraints : `Constraints` that every sample fulfils, for all regions or one per region.
    regions_per_batch : regions under optimisation at a time.
    windows_per_call : windows of each call of the model; None = some 9 kb, at most 16 windows, on
        CPU, and 256 windows elsewhere.

    Returns
    -------
    One-hot (goals, repeats, regions, samples, 4, length) of X's dtype and device, without the
    first three axes where there is one of them; with `return_designer` or `return_history` a list
    of it and what was asked for, nested alike. A history holds for each iteration `edits`
    (sample, base, position), `input_loss` (mean edits), `output_loss` and `total_loss`.

    Raises
    ------
    DesignError : arguments, goals or constraints that are wrong or contradict each other.

    Source: Schreiber et al., Ledidi 2.2.0. Noise is drawn on the CPU whatever the device, so that
    devices give the same designs.
    """
    options = Options(
        input_loss, tau, l, batch_size, max_iter, early_stopping_iter, report_iter, lr, eps,
        return_history, verbose, regions_per_batch,
    )  # fmt: skip
    _check_counts(n_repeats=n_repeats, n_samples=n_samples)
    check_target(target)
    tokens = tokens_of(X)
    dtype = X.dtype if X.is_floating_point() else torch.float32
    like = torch.empty(0, dtype=dtype, device=resolve_device(device))
    size = windows_per_call or call_size(like, X.shape[-1])
    oracle = Oracle(model, target, like, size, recorded=True)
    shared = _Regions(tokens, input_mask, initial_weights, noise, constraints)
    catalogue = y_bar if isinstance(y_bar, list) and _all_tensors(y_bar) else [y_bar]
    seeds = _seeds(random_state, len(tokens))
    with frozen(oracle.models, like.device):
        goals = [_per_region(goal, oracle, tokens, output_loss) for goal in catalogue]
        problems = [
            shared.problem(r, seeds[r] + i * n_repeats + j, goals[i][r], output_loss)
            for i in range(len(catalogue))
            for j in range(n_repeats)
            for r in range(len(tokens))
        ]
        solutions = dict(optimise(oracle, problems, options))
    shape = (len(catalogue), n_repeats, len(tokens))
    return _answer(solutions, shape, X, options, n_samples, return_designer, return_history)


@dataclass
class _Regions:
    """What the problems of one call share: windows, masks, priors, noise and constraints."""

    tokens: np.ndarray
    input_mask: torch.Tensor | None
    initial_weights: torch.Tensor | None
    noise: NoiseLike | None
    constraints: Repair | Sequence[Repair | None] | None

    def problem(
        self, r: int, seed: int, goal: Objective | torch.Tensor, output_loss: Callable | None
    ) -> Problem:
        """Return the problem of region `r` with this seed and goal."""
        template = self.tokens[r]
        mask = self._mask(r)
        plain = isinstance(goal, Objective)
        return Problem(
            tokens=template,
            objective=goal if plain else None,
            noise=_noise(self.noise, seed),
            frozen=mask,
            weights=self._weights(r, template, mask),
            y_bar=None if plain else goal,
            output_loss=None if plain else output_loss,
            repair=self._repair(r, template, mask),
            name=f"region={r}\t" if len(self.tokens) > 1 else "",
        )

    def _mask(self, r: int) -> np.ndarray:
        n, L = self.tokens.shape
        if self.input_mask is None:
            return np.zeros(L, bool)
        mask = torch.as_tensor(self.input_mask)
        if mask.dtype != torch.bool or tuple(mask.shape) not in ((L,), (1, L), (n, L)):
            raise DesignError(
                f"input_mask is {mask.dtype} {tuple(mask.shape)}",
                mend=f"give bool ({L},) or ({n}, {L}), True = frozen",
            )
        return mask.reshape(-1, L).expand(n, L)[r].numpy(force=True)

    def _weights(self, r: int, template: np.ndarray, mask: np.ndarray) -> torch.Tensor:
        n, L = self.tokens.shape
        if self.initial_weights is None:
            weights = torch.zeros(4, L)
        else:
            given = self.initial_weights.detach().to("cpu", torch.float32)
            if tuple(given.shape) not in ((1, 4, L), (n, 4, L)):
                raise DesignError(
                    f"initial_weights has shape {tuple(given.shape)}",
                    mend=f"give (1, 4, {L}) or ({n}, 4, {L})",
                )
            if torch.isnan(given).any() or (given == float("inf")).any():
                raise DesignError("initial_weights holds NaN or +inf", mend="use finite or -inf")
            weights = given.expand(n, 4, L)[r].clone()
        # A frozen base is kept by a prior that leaves only it, as in the reference.
        held = np.flatnonzero(mask & (template != 4))
        weights[:, held] = -torch.inf
        weights[template[held].astype(np.int64), held] = 0
        dead = torch.isinf(weights).all(0).numpy()
        if dead.any():
            raise DesignError(
                f"initial_weights forbid all four bases at position {int(dead.argmax())}",
                where=f"region {r}",
            )
        return weights

    def _repair(self, r: int, template: np.ndarray, mask: np.ndarray) -> Repair | None:
        rules = self.constraints
        if isinstance(rules, Sequence):
            if len(rules) != len(self.tokens):
                raise DesignError(
                    f"{len(rules)} constraints for {len(self.tokens)} regions",
                    mend="give one for all, or one per region",
                )
            rules = rules[r]
        if rules is None:
            return None
        bind = getattr(rules, "bind", None)
        return rules if bind is None else bind(template, mask, self._forbidden(r), f"region {r}")

    def _forbidden(self, r: int) -> np.ndarray | None:
        """Return the bases that a prior of −inf forbids, bool (4, length)."""
        if self.initial_weights is None:
            return None
        given = self.initial_weights.detach().to("cpu")
        return torch.isneginf(given.expand(len(self.tokens), -1, -1)[r]).numpy()


def _noise(given: NoiseLike | None, seed: int) -> Callable:
    """Return the noise of a region; drawn noise depends on the seed and the turn's order alone."""
    if given is None:
        generator = torch.Generator().manual_seed(seed)
        return lambda _, shape: -torch.empty(shape).exponential_(generator=generator).log()
    if not isinstance(given, torch.Tensor):
        return given

    def turn(iteration: int, shape: tuple[int, int, int]) -> torch.Tensor:
        if iteration > len(given) or tuple(given.shape[1:]) != tuple(shape):
            raise DesignError(
                f"noise has shape {tuple(given.shape)}, iteration {iteration} needs {shape}",
                mend="give noise (iterations, batch_size, 4, length) for max_iter iterations",
            )
        return given[iteration - 1]

    return turn


def _all_tensors(y_bar: list) -> bool:
    return bool(y_bar) and all(isinstance(y, torch.Tensor) for y in y_bar)


def _per_region(
    wanted: Wanted, oracle: Oracle, tokens: np.ndarray, output_loss: Callable | None
) -> list[Objective] | list[torch.Tensor]:
    """Return the goal of each region, checked against what the oracle gives."""
    n = len(tokens)
    y_start = oracle.predict(tokens)
    if not isinstance(wanted, torch.Tensor):
        return _objectives_of_goals(wanted, y_start, output_loss)
    if wanted.ndim == 0 or len(wanted) not in (1, n):
        raise DesignError(
            f"y_bar has shape {tuple(wanted.shape)} for {n} region(s)",
            mend=f"give a leading dimension of 1 or {n}",
        )
    if not torch.isfinite(wanted).all():
        raise DesignError("y_bar holds NaN or infinity", mend="give finite goals")
    rows = wanted.to(oracle.like).expand(n, *wanted.shape[1:])
    if output_loss is not None and not _is_mse(output_loss):
        return list(rows)
    if rows[0].numel() != y_start.shape[1]:
        raise DesignError(
            f"y_bar has {rows[0].numel()} values per region, the oracle gives {y_start.shape[1]}",
            mend="set `target`, or give one value for each output",
        )
    return [plain_objective(row) for row in rows]


def _objectives_of_goals(
    wanted: Sequence[Any], y_start: torch.Tensor, output_loss: Callable | None
) -> list[Objective]:
    if output_loss is not None:
        raise DesignError("goals bring their own loss", mend="give y_bar as a tensor, or no loss")
    n = len(y_start)
    shared = all(isinstance(goal, Goal) for goal in wanted)
    per_region = [wanted] * n if shared else list(wanted)
    if len(per_region) != n:
        raise DesignError(f"goals for {len(per_region)} regions, but X has {n}")
    return [goal_objective(goals, y) for goals, y in zip(per_region, y_start)]


def _is_mse(loss: Callable) -> bool:
    return type(loss) is torch.nn.MSELoss and loss.reduction == "mean"


def _seeds(random_state: int | Sequence[int] | None, n: int) -> list[int]:
    if random_state is None:
        return torch.randint(2**62, (n,)).tolist()
    if isinstance(random_state, int | np.integer):
        return [int(random_state)] * n
    if len(random_state) != n:
        raise DesignError(f"{len(random_state)} seeds for {n} regions", mend="one seed per region")
    return [int(seed) for seed in random_state]


def _check_counts(**counts: int | None) -> None:
    for name, value in counts.items():
        if value is None and name == "n_samples":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise DesignError(f"{name} must be a positive integer, not {value!r}")


def _answer(
    solutions: dict[int, Solution], shape: tuple[int, int, int], X: torch.Tensor,
    options: Options, n_samples: int | None, return_designer: bool, return_history: bool,
) -> torch.Tensor | list[Any]:  # fmt: skip
    """Return samples, designers and histories with the axes of goals, repeats and regions."""
    n_regions, designers, samples = shape[2], [], []
    for i in range(len(solutions)):
        r = i % n_regions
        like = X[r : r + 1].to(dtype=X.dtype if X.is_floating_point() else torch.float32)
        designer = Designer(solutions[i], options, like)
        designers.append(designer)
        batch = solutions[i].tokens
        if n_samples is not None:
            turns = n_samples // options.batch_size + 1
            batch = np.concatenate([designer.tokens() for _ in range(turns)])[:n_samples]
        samples.append(one_hot(batch, X))
    stacked = torch.stack(samples)
    kept = [n for n in shape if n > 1]
    out: list[Any] = [stacked.reshape(*kept, *stacked.shape[1:])]
    if return_designer:
        out.append(_nest(designers, kept))
    if return_history:
        out.append(_nest([solutions[i].history for i in range(len(solutions))], kept))
    return out[0] if len(out) == 1 else out


def _nest(items: list[Any], shape: list[int]) -> Any:
    """Return a flat list nested by `shape`; no shape = the one item."""
    if not shape:
        return items[0]
    size = len(items) // shape[0]
    return [_nest(items[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]
