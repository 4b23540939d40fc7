import numpy as np
import pytest

from cisweep.analysis import tfmodisco_seqlets
from cisweep.analysis.seqlets.tfmodisco_seqlets import Thresholds, WindowRules, call_windows
from cisweep.errors import AttributionError


def attributions():
    X = np.random.default_rng(0).laplace(0, 0.01, (40, 200))
    X[3, 80:101] += 1
    X[7, 50:71] -= 1
    return X


def test_planted_windows_of_both_signs_are_called_whole():
    called = tfmodisco_seqlets(attributions())
    assert list(called.columns) == ["example_idx", "start", "end", "attribution"]
    for example, start, sign in ((3, 70, 1), (7, 40, -1)):
        first = called[called["example_idx"] == example].iloc[0]
        assert (first["start"], first["end"]) == (start, start + 41)
        # The noise of 41 positions has a standard deviation of 0.09.
        assert first["attribution"] == pytest.approx(sign * 21, abs=0.5)


def test_greedy_windows_keep_their_distance_and_the_ends():
    rules = WindowRules(window_size=5, flank=2)
    X = np.random.default_rng(1).normal(size=(30, 80))
    called = call_windows(X, Thresholds(0.5, -0.5, 0), rules)
    assert called["start"].min() == 0 and called["end"].max() == 80
    for _, rows in called.groupby("example_idx"):
        assert np.diff(np.sort(rows["start"])).min() > rules.reach
        assert (np.diff(rows["attribution"].abs()) <= 0).all()


def test_equal_attributions_have_no_seqlets():
    assert len(tfmodisco_seqlets(np.zeros((5, 60)))) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_that_are_mostly_zero_are_called_at_any_scale(sign):
    """All zeros stand on the edge of the fullest bin, and no sum is beyond them on one side: below
    a sum of 0.0005 this ended in an IndexError."""
    X = np.zeros((40, 200))
    for i in range(10):
        X[i, 60 + 5 * i : 70 + 5 * i] = sign * (1 + 0.1 * i)
    called = tfmodisco_seqlets(X)
    assert set(called["example_idx"]) <= set(range(10)) and len(called) == 10
    for scale in (1e-3, 1e-6, 1e-9):
        again = tfmodisco_seqlets(scale * X)
        assert again.iloc[:, :3].equals(called.iloc[:, :3]), scale


def test_without_flanks_windows_at_the_ends_count():
    X = attributions()
    X[0, :21] += 2
    called = tfmodisco_seqlets(X, flank=0)
    assert (called[["example_idx", "start", "end"]].values.tolist()).count([0, 0, 21]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_size": 0}, "window_size 0"),
        ({"flank": -1}, "flank -1"),
        ({"window_size": 300}, "200 bp are shorter than window_size 300"),
        ({"min_passing_frac": 0.5}, "min_passing_frac 0.5 and max_passing_frac 0.2"),
    ],
)
def test_an_impossible_option_is_refused(options, message):
    with pytest.raises(AttributionError, match=message):
        tfmodisco_seqlets(attributions(), **options)


def test_an_empty_input_is_refused():
    with pytest.raises(AttributionError, match=r"X_attr: there are no attributions"):
        tfmodisco_seqlets(np.empty((0, 100)))
