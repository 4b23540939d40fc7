import subprocess
import sys

import numpy as np
import pytest

from cisweep.analysis import recursive_seqlets
from cisweep.errors import AttributionError


def noise(shape=(20, 100), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def with_motif():
    X = noise() * 0.01
    X[4, 30:38] = 1
    return X


def test_a_planted_span_is_found_first():
    called = recursive_seqlets(with_motif())
    assert list(called.columns) == ["example_idx", "start", "end", "attribution", "p-value"]
    first = called.loc[0]
    assert first["example_idx"] == 4 and 25 <= first["start"] <= 30 and 38 <= first["end"] <= 43
    # The noise of its positions, 18 at most, has a standard deviation of 0.04.
    assert first["attribution"] == pytest.approx(8, abs=0.1)


def test_tensors_and_arrays_call_the_same():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(with_motif()).requires_grad_()
    assert recursive_seqlets(tensor).equals(recursive_seqlets(with_motif()))


def test_flanks_are_cut_at_the_ends():
    X = noise() * 0.01
    X[0, :6] = 1
    plain, called = recursive_seqlets(X).loc[0], recursive_seqlets(X, additional_flanks=5).loc[0]
    assert plain["start"] == called["start"] == 0 and called["end"] == plain["end"] + 5
    assert called["p-value"] == plain["p-value"]
    assert called["attribution"] == pytest.approx(X[0, : int(called["end"])].sum(dtype=float))


@pytest.mark.parametrize("threshold", [0, -1])
def test_nothing_passes_a_threshold_of_zero(threshold):
    called = recursive_seqlets(with_motif(), threshold=threshold)
    assert len(called) == 0 and called.dtypes.tolist() == [np.int64] * 3 + [np.float64] * 2


def test_a_constant_has_no_seqlets():
    assert len(recursive_seqlets(np.ones((3, 40)))) == 0


def test_examples_shorter_than_a_seqlet_have_none():
    assert len(recursive_seqlets(noise((5, 3)))) == 0


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((2, 4, 10)), r"got shape \(2, 4, 10\)"),
        ([[1.0]], "got list"),
        (np.empty((0, 10)), r"no attributions: shape \(0, 10\)"),
        (np.array([["a"]]), "not numeric"),
    ],
)
def test_a_wrong_input_is_refused(X, message):
    with pytest.raises(AttributionError, match=message):
        recursive_seqlets(X)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_placed(value):
    X = noise()
    X[7, 13] = value
    with pytest.raises(AttributionError, match="1 values .* example 7, position 13"):
        recursive_seqlets(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "at most 1, got 1.5"),
        ({"threshold": float("nan")}, "at most 1, got nan"),
        ({"min_seqlet_len": 0}, "min_seqlet_len 0"),
        ({"min_seqlet_len": 9, "max_seqlet_len": 8}, "max_seqlet_len 8"),
        ({"n_bins": 1}, "n_bins 1"),
        ({"additional_flanks": -1}, "additional_flanks -1"),
        ({"return_fdr": True}, "return_fdr needs a control"),
    ],
)
def test_an_impossible_option_is_refused(options, message):
    with pytest.raises(AttributionError, match=message):
        recursive_seqlets(noise(), **options)


def test_an_fdr_that_no_threshold_reaches_warns_and_calls_nothing():
    with pytest.warns(UserWarning, match="no threshold reaches target_fdr=0.01"):
        called = recursive_seqlets(noise(seed=1), X_control=noise(seed=2), target_fdr=0.01)
    assert len(called) == 0


def test_a_first_call_needs_no_torch_and_no_compiler():
    code = """
import sys
import numpy as np
from cisweep.analysis import recursive_seqlets
X = np.random.default_rng(0).normal(size=(1000, 2000)).astype(np.float32)
recursive_seqlets(X)
print("torch" in sys.modules, "numba" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


def test_no_step_in_python_is_done_for_each_example():
    """The same ten examples a hundred times: as many calls of functions, in Python or in C."""

    def calls(X):
        events = []
        sys.setprofile(lambda frame, event, arg: events.append(event))
        try:
            recursive_seqlets(X)
        finally:
            sys.setprofile(None)
        return sum(event in ("call", "c_call") for event in events)

    X = noise((10, 200))
    recursive_seqlets(X)  # what is imported at the first call
    assert calls(np.tile(X, (100, 1))) == calls(X)
