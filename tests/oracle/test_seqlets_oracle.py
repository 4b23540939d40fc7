"""Recursive seqlets against their definition in plain NumPy, and against tangermeme 1.6.0."""

import numpy as np
import pandas as pd
import pytest

from cisweep.analysis.seqlets.recursive_seqlets import recursive_seqlets


def planted(n, length, seed, dtype=np.float32, strength=0.3):
    rng = np.random.default_rng(seed)
    values = rng.laplace(0, 0.01, (n, length))
    for row in values:
        for start in rng.integers(0, length - 12, 3):
            row[start : start + rng.integers(4, 12)] += rng.uniform(-0.5, 1) * strength
    return values.astype(dtype)


def by_definition(X, threshold, shortest, longest, flanks, n_bins):
    """Every span and all of its sub-spans, without any short cut."""
    low, high = X.min(), X.max()
    bins = np.floor((X - low) / (float(high - low) / (n_bins - 1))).astype(int)
    bins = np.clip(bins, 0, n_bins - 1)
    single = np.bincount(bins.ravel(), minlength=n_bins) / bins.size
    sums = [np.ones(1), single]
    for _ in range(longest - 1):
        sums.append(np.convolve(sums[-1], single))
    tails = [np.append(np.cumsum(row[::-1])[::-1], 0) for row in sums]
    rows = []
    for i, row in enumerate(bins):
        p = {
            (start, start + size): tails[size][row[start : start + size].sum()]
            for size in range(shortest, longest + 1)
            for start in range(len(row) - size + 1)
        }
        taken = np.zeros(len(row), bool)
        for size in range(longest, shortest - 1, -1):
            found = []
            for start in range(len(row) - size + 1):
                end = start + size
                inside = [p[a, b] for a in range(start, end) for b in range(a + shortest, end + 1)]
                prefixes = [p[start, b] for b in range(start + shortest, end + 1)]
                if max(inside) < threshold:
                    found.append((max(prefixes), start))
            for _, start in sorted(found):
                end = start + size
                if not taken[start:end].any():
                    taken[start:end] = True
                    left, right = max(start - flanks, 0), min(end + flanks, len(row))
                    total = X[i, left:right].sum(dtype=np.float64)
                    rows.append((i, left, right, total, p[start, end]))
    columns = ["example_idx", "start", "end", "attribution", "p-value"]
    return pd.DataFrame(rows, columns=columns).sort_values("p-value", kind="stable")


def in_order(table):
    order = ["p-value", "example_idx", "start", "end"]
    return table.sort_values(order).reset_index(drop=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threshold": 0.2},
        {"threshold": 0.11, "min_seqlet_len": 1, "max_seqlet_len": 6},
        {"min_seqlet_len": 5, "max_seqlet_len": 5, "additional_flanks": 3},
        {"threshold": 0.1, "n_bins": 30},
        {"max_seqlet_len": 50},
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_calls_are_those_of_the_definition(options, dtype):
    X = planted(3, 40, seed=3, dtype=dtype)
    full = {"threshold": 0.01, "min_seqlet_len": 4, "max_seqlet_len": 25} | options
    called = recursive_seqlets(X, **options)
    expected = by_definition(
        X,
        full["threshold"],
        full["min_seqlet_len"],
        full["max_seqlet_len"],
        full.get("additional_flanks", 0),
        full.get("n_bins", 1000),
    )
    assert len(expected) > 2
    called, expected = in_order(called), in_order(expected)
    spans = ["example_idx", "start", "end"]
    pd.testing.assert_frame_equal(called[spans], expected[spans])
    np.testing.assert_allclose(called["p-value"], expected["p-value"], rtol=1e-9)
    np.testing.assert_allclose(called["attribution"], expected["attribution"], rtol=1e-9)


def structured_inputs():
    ties = np.round(planted(40, 200, seed=5), 2)
    steps = np.zeros((20, 100), np.float32)
    steps[:, 40:50] = 1
    outlier = planted(30, 150, seed=6)
    outlier[3, 7] = 1e4
    return {
        "random": planted(60, 500, seed=1),
        "float64": planted(60, 500, seed=2, dtype=np.float64),
        "ties": ties,
        "steps": steps,
        "outlier": outlier,
        "short": planted(10, 14, seed=8),
        "negative": -planted(60, 300, seed=9, strength=0.1),
        "constant": np.ones((3, 50), np.float32),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", structured_inputs())
@pytest.mark.parametrize(
    "options", [{}, {"threshold": 0.2, "additional_flanks": 4}, {"threshold": 1e-4, "n_bins": 64}]
)
def test_same_calls_as_tangermeme(name, options):
    peer = pytest.importorskip("tangermeme.seqlet")
    X = structured_inputs()[name]
    ours, theirs = recursive_seqlets(X, **options), peer.recursive_seqlets(X, **options)
    assert ours["p-value"].is_monotonic_increasing
    exact = ["example_idx", "start", "end", "p-value"]
    ours, theirs = in_order(ours), in_order(theirs)
    pd.testing.assert_frame_equal(ours[exact], theirs[exact], check_exact=True)
    np.testing.assert_allclose(ours["attribution"], theirs["attribution"], atol=1e-10)


@pytest.mark.slow
def test_same_fdr_curve_as_tangermeme():
    peer = pytest.importorskip("tangermeme.seqlet")
    X, control = planted(80, 400, seed=1), planted(120, 300, seed=2, strength=0.03)
    for target in (0.05, 0.3):
        ours = recursive_seqlets(X, X_control=control, target_fdr=target, return_fdr=True)
        theirs = peer.recursive_seqlets(X, X_control=control, target_fdr=target, return_fdr=True)
        pd.testing.assert_frame_equal(ours.fdr, theirs.fdr)
        exact = ["example_idx", "start", "end", "p-value"]
        pd.testing.assert_frame_equal(
            in_order(ours.seqlets)[exact], in_order(theirs.seqlets)[exact]
        )
        assert len(ours.seqlets) > 20
