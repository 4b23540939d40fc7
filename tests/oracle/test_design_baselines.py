"""Baselines of designs against brute force on tiny windows."""

from itertools import combinations, product

import numpy as np
import pytest
import torch

from cisweep.analysis.sequence_design.baselines import (
    BaselineTask,
    beam,
    greedy_motifs,
    random_edits,
)
from cisweep.analysis.sequence_design.goals import Goal, goal_objective
from cisweep.analysis.sequence_design.oracle import Oracle, one_hot
from cisweep.errors import DesignError


class Score(torch.nn.Module):
    """A weight for each base and position, times one neighbour's: not additive."""

    def __init__(self, length: int):
        super().__init__()
        draw = np.random.default_rng(0)
        self.register_buffer("w", torch.tensor(draw.normal(size=(4, length)), dtype=torch.float64))

    def forward(self, X):
        value = (X * self.w).sum(1)
        return (value.sum(1) + (value[:, 1:] * value[:, :-1]).sum(1))[:, None]


def task(length: int = 8, frozen: tuple[int, ...] = (2,), allowed=None) -> BaselineTask:
    template = np.random.default_rng(1).integers(0, 4, length).astype(np.uint8)
    held = np.zeros(length, bool)
    held[list(frozen)] = True
    like = torch.zeros(0, dtype=torch.float64)
    oracle = Oracle(Score(length), None, like, 64)
    objective = goal_objective([Goal(0, "value", 6.0)], oracle.predict(template[None])[0])
    return BaselineTask(oracle, template, objective, held, allowed)


def loss(t: BaselineTask, window: np.ndarray) -> float:
    y = Score(len(window))(one_hot(window[None], t.oracle.like))
    return float((y - 6.0) ** 2)


def test_a_wide_beam_finds_the_best_edits_of_all():
    t = task()
    best = loss(t, t.template)
    for n in (1, 2):
        for at in combinations([i for i in range(8) if not t.frozen[i]], n):
            for bases in product(range(4), repeat=n):
                window = t.template.copy()
                window[list(at)] = bases
                best = min(best, loss(t, window))
    found = beam(t, n_edits=2, width=10_000)
    assert found.loss == pytest.approx(best)
    assert found.n_edits <= 2
    assert not (found.tokens != t.template)[t.frozen].any()


def test_the_motif_baseline_takes_the_best_place_and_strand():
    t = task(12, frozen=(0,))
    word = np.array([0, 2, 3])
    pwm = np.full((4, 3), 0.01)
    pwm[word, np.arange(3)] = 0.97
    best = loss(t, t.template)
    for motif in (word, 3 - word[::-1]):
        for p in range(1, 10):
            window = t.template.copy()
            window[p : p + 3] = motif
            best = min(best, loss(t, window))
    found = greedy_motifs(t, {"m": pwm}, max_motifs=1)
    assert found.loss == pytest.approx(best)
    assert found.rounds[-1] == (found.n_edits, found.loss)


def test_random_edits_have_their_number_and_seed():
    t = task(30, frozen=(1, 2, 3))
    first, again, other = (random_edits(t, n_edits=5, seed=s) for s in (1, 1, 2))
    assert first.n_edits == 5
    assert (first.tokens == again.tokens).all()
    assert (first.tokens != other.tokens).any()
    assert not (first.tokens != t.template)[1:4].any()
    with pytest.raises(DesignError, match="40 random edits, but only 27 positions"):
        random_edits(t, n_edits=40)
    with pytest.raises(DesignError, match="no random edits"):
        random_edits(task(30, allowed=lambda w: np.zeros(len(w), bool)), n_edits=2)
