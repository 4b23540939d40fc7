"""Edits are swapped one by one where that lowers the loss."""

import numpy as np
import pytest
import torch

from cisweep.analysis.sequence_design.baselines import BaselineTask
from cisweep.analysis.sequence_design.choice import Chooser, Problems, polish
from cisweep.analysis.sequence_design.goals import Goal, goal_objective
from cisweep.analysis.sequence_design.oracle import Oracle

LENGTH = 30


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        weights = np.random.RandomState(0).normal(size=(4, LENGTH)).round(3)
        self.weights = torch.nn.Parameter(torch.tensor(weights), requires_grad=False)

    def forward(self, X):
        return (X * self.weights).sum((1, 2))[:, None]


def task(allowed=None, frozen=()):
    oracle = Oracle(Linear(), None, torch.zeros(0, dtype=torch.float64), 8)
    template = np.random.RandomState(1).randint(0, 4, LENGTH).astype(np.uint8)
    template[5] = 4
    held = np.isin(np.arange(LENGTH), frozen)
    objective = goal_objective([Goal(0, "maximise")], torch.zeros(1, dtype=torch.float64))
    return BaselineTask(oracle, template, objective, held, allowed)


def edited(template, places):
    window = template.copy()
    window[5] = 2
    window[places] = (window[places] + 1) % 4
    return window


def best_of(one, n):
    """The n edits of a linear model that gain most, by hand."""
    weights = one.oracle.models[0].weights.numpy()
    known = np.flatnonzero((one.template != 4) & ~one.frozen)
    gains = weights[:, known].max(0) - weights[one.template[known], known]
    at = known[np.argsort(-gains)[:n]]
    return set(zip(at.tolist(), weights[:, at].argmax(0).tolist()))


@pytest.mark.parametrize("frozen", [(), (3, 7, 20)])
def test_of_a_linear_model_the_best_edits_are_found(frozen):
    one = task(frozen=frozen)
    window = polish(one, edited(one.template, [10, 11, 12]), lambda y: True, rounds=20)
    at = np.flatnonzero((window != one.template) & (one.template != 4))
    assert set(zip(at.tolist(), window[at].tolist())) == best_of(one, 3)
    assert window[5] == 2  # what was filled in stays


def test_what_is_not_good_or_not_allowed_is_not_taken():
    one = task()
    start = edited(one.template, [10, 11, 12])
    assert (polish(one, start, lambda y: False) == start).all()
    assert (polish(one, start, lambda y: True, rounds=0) == start).all()
    banned = task(lambda windows: (windows[:, 15:] == one.template[15:]).all(1))
    window = polish(banned, start, lambda y: True)
    assert (window[15:] == one.template[15:]).all()
    assert banned.losses(window[None])[0] < banned.losses(start[None])[0]
    assert (polish(one, one.template, lambda y: True) == one.template).all()  # no edit, no swap


def test_of_a_swap_the_whole_design_has_the_new_edit_and_not_the_old_one():
    """A window of A; C adds 3, 2 and 1 at the first places, nothing at the fourth."""
    model = Linear()
    model.weights.zero_()
    model.weights[1, :3] = torch.tensor([3.0, 2.0, 1.0])
    oracle = Oracle(model, None, torch.zeros(0, dtype=torch.float64), 8)
    template = np.zeros(LENGTH, np.uint8)
    sample = template.copy()
    sample[1:4] = 1
    problems = Problems(template[None], np.zeros((1, 1)), np.zeros((1, LENGTH), bool), [None])

    def chosen(swaps):
        goals = [Goal(0, "maximise", 5.0)]
        chooser = Chooser(oracle, goals, 0.1, prune=True, threshold=0.5, swaps=swaps)
        (choice,) = chooser.choose(problems, sample[None, None, None])
        return choice, [np.flatnonzero(w).tolist() for w in (choice.full, choice.pruned)]

    choice, places = chosen(0)
    assert places == [[1, 2, 3], [1, 2]] and choice.score[0]  # 3 of 5: not reached
    choice, places = chosen(3)
    assert places == [[0, 1, 3], [0, 1]] and not choice.score[0]  # exactly 5 is reached
    assert choice.score[1] == 2 and choice.path.n_edits == 3
