"""Edits are swapped one by one where that lowers the loss."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cisweep.analysis.sequence_design import choice
from cisweep.analysis.sequence_design.baselines import BaselineTask
from cisweep.analysis.sequence_design.choice import (
    CONSIDERED,
    Chooser,
    Problems,
    _liked,
    polish,
)
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


def chooser_of(goals, prune=False, swaps=0, l=0.1):
    """Two outputs: how many C, and how many C among the first five bases."""
    model = Linear()
    model.weights.zero_()
    model.weights[1] = 1

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one = model

        def forward(self, X):
            return torch.cat([self.one(X), self.one(X * (torch.arange(LENGTH) < 5))], 1)

    oracle = Oracle(Two(), None, torch.zeros(0, dtype=torch.float64), 8)
    return Chooser(oracle, goals, l, prune=prune, threshold=0.5, swaps=swaps)


def choices(chooser, template, *samples):
    """The choice among samples, each a run of its own, and that of a region with the reverse."""
    problems = Problems(
        np.stack([template] * 2), np.zeros((2, 2)), np.zeros((2, LENGTH), bool), [None, None]
    )
    # (runs, regions, samples, length); each run gives its sample twice.
    made = np.stack([np.stack([[s, s], [r, r]]) for s, r in zip(samples, samples[::-1])])
    return chooser.choose(problems, made)


def with_c(places, base=1, of=None):
    window = np.zeros(LENGTH, np.uint8) if of is None else of.copy()
    window[places] = base
    return window


def test_of_samples_that_reach_the_goals_the_one_with_the_fewest_edits_is_chosen():
    template = np.zeros(LENGTH, np.uint8)
    goals = [Goal(0, "value", 5.0, tolerance=1.0), Goal(1, "keep", tolerance=9.0)]
    exact, fewest, off = with_c(range(10, 15)), with_c(range(10, 14)), with_c(range(10, 13))
    first, second = choices(chooser_of(goals), template, exact, off, fewest)
    # `exact` has the lower loss, `off` fewer edits without reaching the goal.
    assert first.repeat == 2 and (first.full == fewest).all() and (first.pruned == fewest).all()
    assert first.score[:2] == (False, 4) and first.score[2] == pytest.approx(1 / 2)
    assert second.repeat == 0 and (second.full == fewest).all()
    # Of as many edits the lower loss.
    near = with_c([1, 2, 10, 11])
    (first, _) = choices(chooser_of(goals), template, near, fewest)
    assert first.repeat == 1


@pytest.mark.parametrize(("penalty", "repeat"), [(0.01, 0), (6.0, 1)])
def test_where_none_reaches_the_goals_loss_and_edits_decide(penalty, repeat):
    """Losses (9 - n)^2 / 2: of 4 C 12.5, of 3 C 18, a difference of 5.5 for one edit."""
    goals = [Goal(0, "value", 9.0), Goal(1, "keep", tolerance=9.0)]
    samples = with_c(range(10, 14)), with_c(range(10, 13))
    first, _ = choices(chooser_of(goals, l=penalty), np.zeros(LENGTH, np.uint8), *samples)
    assert first.repeat == repeat and first.score[0]


@pytest.mark.parametrize(("penalty", "edits"), [(0.1, 4), (20.0, 0)])
def test_after_pruning_too_loss_and_edits_decide_where_none_reaches_the_goals(penalty, edits):
    """Losses (9 - n)^2 / 2: unedited 40.5, of 4 C 12.5; an edit may not cost more than 7 each."""
    goals = [Goal(0, "value", 9.0), Goal(1, "keep", tolerance=9.0)]
    template = np.zeros(LENGTH, np.uint8)
    chooser = replace(chooser_of(goals, l=penalty, prune=True), threshold=0.0)
    first, _ = choices(chooser, template, template, with_c(range(10, 14)), with_c([10]))
    assert first.score[0] and (first.pruned != template).sum() == edits


def test_letters_in_place_of_n_are_no_edits():
    template = with_c(range(20, 26), 4)
    filled = with_c([10, 11], 2, of=with_c(range(20, 26), 1))
    filled[[24, 25]] = 2
    three = with_c([10, 11, 12], of=template)
    goals = [Goal(0, "value", 4.0, tolerance=1.0), Goal(1, "keep", tolerance=9.0)]
    first, _ = choices(chooser_of(goals), template, three, filled)
    assert first.repeat == 1  # two edits, and six letters that were N


@pytest.mark.parametrize(("weights", "repeat"), [((1.0, 9.0), 0), ((9.0, 1.0), 1)])
def test_of_goals_that_pull_apart_the_heavier_one_decides(weights, repeat):
    goals = [Goal(i, "value", 9.0, w) for i, w in enumerate(weights)]
    samples = with_c(range(3)), with_c(range(10, 14))
    first, _ = choices(chooser_of(goals, l=0.0), np.zeros(LENGTH, np.uint8), *samples)
    assert first.repeat == repeat


def test_edits_are_swapped_where_the_goals_stay_out_of_reach_too():
    """A G does nothing; of as many edits three C are nearest to thirty of them."""
    template = np.zeros(LENGTH, np.uint8)
    sample = with_c([3, 13], of=with_c([12], 2))
    goals = [Goal(0, "value", 30.0), Goal(1, "keep", tolerance=99.0)]
    chooser = chooser_of(goals, prune=True, swaps=3)
    chooser = replace(chooser, threshold=0.0)  # no edit is given back
    first, _ = choices(chooser, template, sample)
    assert first.score[0] and (first.pruned == 1).sum() == 3


def test_the_steps_back_are_as_many_as_the_goals_allow():
    """The farthest step at which they hold, also behind steps at which they do not."""
    chooser = replace(chooser_of([Goal(0, "value", 5.0, tolerance=1.0)]), prune=True)
    path = SimpleNamespace(
        predictions=np.array([[5.0], [3.0], [4.5], [2.0]]), drift=np.array([0, 2.0, 0.5, 3])
    )
    assert chooser._steps_back(np.zeros(1), path) == 2
    assert replace(chooser, prune=False)._steps_back(np.zeros(1), path) == 0
    # Not reached from the start: what lies before the first step of too large a drift.
    low = SimpleNamespace(predictions=path.predictions - 9, drift=np.array([0, 0.4, 0.6, 0.1]))
    assert chooser._steps_back(np.zeros(1), low) == 1
    small = SimpleNamespace(predictions=low.predictions, drift=np.array([0, 0.1, 0.2, 0.4]))
    assert chooser._steps_back(np.zeros(1), small) == 3


def test_the_edits_that_the_gradient_likes_are_ordered_by_what_they_change():
    """The new base's slope less that of the base that stands there."""
    one = task(frozen=(3, 7))
    weights = one.oracle.models[0].weights.numpy()
    base, at = _liked(one, edited(one.template, [10, 11, 12]))
    window = edited(one.template, [10, 11, 12])
    gains = {
        (b, p): weights[b, p] - weights[window[p], p]
        for p in range(LENGTH) if p not in (3, 5, 7)
        for b in range(4) if b != window[p]
    }  # fmt: skip
    best = sorted(gains, key=lambda place: -gains[place])[:CONSIDERED]
    assert list(zip(base.tolist(), at.tolist())) == best


def test_of_a_design_before_and_after_its_swaps_the_better_one_is_kept(monkeypatch):
    """As many edits, and a larger loss: C among the first five should have stayed away."""
    template, sample = np.zeros(LENGTH, np.uint8), with_c(range(10, 14))
    goals = [Goal(0, "value", 5.0, tolerance=1.0), Goal(1, "keep", tolerance=9.0)]
    monkeypatch.setattr(choice, "polish", lambda *_: with_c([1, 2, 3, 10]))
    first, _ = choices(chooser_of(goals, prune=True, swaps=1), template, sample)
    assert first.score == (False, 4, pytest.approx(0.5)) and (first.pruned == sample).all()
