"""Goals of a design: what each output of the oracle should become, and how far off a window is.

A goal is one output of the oracle with a kind. `value`, `change` and `keep` are squared distances
to a number; `maximise` and `minimise` are linear, so they have no end but the edit penalty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from cisweep.errors import DesignError

GoalKind = Literal["value", "change", "keep", "maximise", "minimise"]
_SIGN = {"value": 0.0, "change": 0.0, "keep": 0.0, "maximise": 1.0, "minimise": -1.0}


@dataclass(frozen=True)
class Goal:
    """What one output of the oracle should become.

    `value` is absolute for kind `value` and relative to the prediction of the unedited window for
    `change`; for `maximise` and `minimise` it is an optional bound at which the goal counts as
    reached. `tolerance` is how far from the goal still counts as reached, in the output's unit.
    """

    output: int
    kind: GoalKind = "value"
    value: float | None = None
    weight: float = 1.0
    tolerance: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in _SIGN:
            raise DesignError(
                f"unknown kind of goal {self.kind!r}", mend=f"use one of {', '.join(_SIGN)}"
            )
        if self.kind in ("value", "change") and self.value is None:
            raise DesignError(f"a goal of kind {self.kind} needs a value", mend="set `value`")
        if self.weight < 0 or self.tolerance < 0 or self.output < 0:
            raise DesignError("output, weight and tolerance of a goal cannot be negative")


@dataclass(frozen=True)
class Objective:
    """The goals of one region as numbers: one entry for each of the K outputs of the oracle."""

    y_bar: torch.Tensor
    """Wanted prediction, shape (K,)."""
    weight: torch.Tensor
    """Weight of the output in the loss, shape (K,); 0 = not a goal."""
    sign: torch.Tensor
    """0 = squared distance, 1 = maximise, -1 = minimise; shape (K,)."""

    def to(self, reference: torch.Tensor) -> "Objective":
        """Return the objective on the device and in the dtype of `reference`."""
        return Objective(*(t.to(reference) for t in (self.y_bar, self.weight, self.sign)))


def plain_objective(y_bar: torch.Tensor) -> Objective:
    """Return Ledidi's default: mean squared error to `y_bar` (K,), all outputs alike."""
    flat = y_bar.detach().flatten()
    return Objective(flat, torch.ones_like(flat), torch.zeros_like(flat))


def goal_objective(goals: Sequence[Goal], y_start: torch.Tensor) -> Objective:
    """Return the objective of a region's `goals`, given its prediction before the design.

    Parameters
    ----------
    goals : goals of the region; at most one per output, else they would contradict each other.
    y_start : prediction of the unedited window, shape (K,).

    Returns
    -------
    The objective; its loss is the mean of w (y − ȳ)² over the goals, so that one goal of
    weight 1 gives Ledidi's mean squared error of that output.

    Raises
    ------
    DesignError : no goals, an output that the oracle does not have, two goals for one output.
    """
    if not goals:
        raise DesignError("a design without goals", mend="give at least one goal")
    y_bar, weight, sign = y_start.detach().clone(), *(torch.zeros_like(y_start) for _ in range(2))
    seen: set[int] = set()
    # The loss is a mean over all outputs of the oracle; outputs without a goal must not dilute it.
    share = len(y_start) / len(goals)
    for goal in goals:
        if goal.output >= len(y_start):
            raise DesignError(
                f"goal for output {goal.output}, but the oracle has {len(y_start)} outputs"
            )
        if goal.output in seen:
            raise DesignError(
                f"two goals for output {goal.output} contradict each other",
                mend="give one goal per output; to design a region for each of several goals, "
                "pass a catalogue",
            )
        seen.add(goal.output)
        y_bar[goal.output] = wanted(goal, float(y_start[goal.output]))
        weight[goal.output] = goal.weight * share
        sign[goal.output] = _SIGN[goal.kind]
    return Objective(y_bar, weight, sign)


def wanted(goal: Goal, start: float) -> float:
    """Return the number a goal asks for, given the prediction `start` before the design."""
    if goal.kind == "value":
        return float(goal.value)  # type: ignore[arg-type]
    if goal.kind == "change":
        return start + float(goal.value)  # type: ignore[arg-type]
    return start if goal.kind == "keep" or goal.value is None else float(goal.value)


def reached(goal: Goal, start: float, after: float) -> bool:
    """Return whether prediction `after` fulfils `goal` for a window that began at `start`."""
    goal_value = wanted(goal, start)
    if goal.kind == "maximise":
        return after > goal_value if goal.value is None else after >= goal_value
    if goal.kind == "minimise":
        return after < goal_value if goal.value is None else after <= goal_value
    return abs(after - goal_value) <= goal.tolerance


def window_losses(y: torch.Tensor, objective: Objective) -> torch.Tensor:
    """Return the loss of each window, shape (n,), from predictions `y` (n, K).

    The objective's tensors broadcast against `y`: (K,) for one region, (n, K) row by row.
    """
    distance = y - objective.y_bar
    squared = (objective.sign == 0).to(y.dtype)
    return (objective.weight * (squared * distance * distance - objective.sign * y)).mean(-1)
