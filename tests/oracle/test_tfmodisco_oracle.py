"""tfmodisco_seqlets against tf-modiscolite 2.5.2, whose set it must give."""

import numpy as np
import pytest

from cisweep.analysis import tfmodisco_seqlets
from cisweep.analysis.seqlets.tfmodisco_seqlets import WindowRules, fit_thresholds, window_sums


def planted(n=60, length=400, seed=0, strength=0.3, negative=0.3, dtype=np.float64):
    rng = np.random.default_rng(seed)
    values = rng.laplace(0, 0.01, (n, length))
    for row in values:
        for start in rng.integers(5, length - 20, 2):
            row[start : start + 10] += strength * rng.uniform(-negative, 1)
    return values.astype(dtype)


def with_padding():
    values = planted(seed=4)
    values[:, :90] = 0
    values[::3, 250:] = 0
    return values


INPUTS = {
    "planted": planted(),
    "float32": planted(seed=1, dtype=np.float32),
    "noise": planted(seed=2, strength=0),
    "mostly negative": planted(seed=3, negative=3),
    "padded": with_padding(),
    "normal": np.random.default_rng(5).normal(size=(40, 300)),
    "shifted": np.random.default_rng(6).normal(0.01, 0.1, size=(40, 300)),
    "few": planted(4, 120, seed=7),
    "sparse": planted(seed=8) * (np.random.default_rng(9).random((60, 400)) < 0.2),
    # Ties that stay ties in sums. (Sums that differ by 1e-15, scikit-learn takes for equal.)
    "rounded": np.round(planted(seed=10) * 64) / 64,
}


def extract(peer, values, **options):
    full = {
        "window_size": 21,
        "flank": 10,
        "target_fdr": 0.2,
        "min_passing_windows_frac": 0.03,
        "max_passing_windows_frac": 0.2,
        "weak_threshold_for_counting_sign": 0.8,
    } | options
    full["suppress"] = int(0.5 * full["window_size"]) + full["flank"]
    seqlets, weak = peer.extract_seqlets(values.copy(), **full)
    return [(s.example_idx, int(s.start), int(s.end)) for s in seqlets], weak


@pytest.fixture(scope="module")
def modiscolite():
    return pytest.importorskip("modiscolite.extract_seqlets")


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        (
            {"window_size": 8, "flank": 3, "target_fdr": 0.05},
            {"window_size": 8, "flank": 3, "target_fdr": 0.05},
        ),
        (
            {"min_passing_frac": 0.0, "max_passing_frac": 1.0},
            {"min_passing_windows_frac": 0.0, "max_passing_windows_frac": 1.0},
        ),
        ({"max_passing_frac": 0.05}, {"max_passing_windows_frac": 0.05}),
    ],
)
def test_same_seqlets_in_the_same_order_as_tf_modiscolite(modiscolite, name, ours, theirs):
    values = INPUTS[name]
    called = tfmodisco_seqlets(values, **ours)
    expected, weak = extract(modiscolite, values, **theirs)
    assert len(expected) > 0
    spans = called[["example_idx", "start", "end"]].itertuples(index=False, name=None)
    assert list(spans) == expected
    flank = ours.get("flank", 10)
    sums = [values[i, a + flank : b - flank].sum(dtype=float) for i, a, b in expected]
    np.testing.assert_allclose(called["attribution"], sums, rtol=1e-9, atol=1e-12)
    rules = WindowRules(**ours)
    run = np.sort(window_sums(values, rules), axis=None)
    assert fit_thresholds(run, None, rules).weak == weak


@pytest.mark.slow
def test_same_seqlets_where_tf_modiscolite_samples_a_million_windows(modiscolite):
    values = planted(600, 2000, seed=11)
    called = tfmodisco_seqlets(values)[["example_idx", "start", "end"]]
    expected, _ = extract(modiscolite, values)
    assert list(called.itertuples(index=False, name=None)) == expected


@pytest.mark.slow
def test_tangermeme_reads_its_threshold_from_unsorted_sums(modiscolite):
    """By brute force: of its positive sums, tangermeme takes the first that passes, in the
    order of the sequence; tf-modiscolite the smallest. Sorted sums mend it."""
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("tangermeme.seqlet")
    values = planted(200, 600, seed=12)
    tensor = torch.from_numpy(values.astype(np.float32))
    theirs = len(peer.tfmodisco_seqlets(tensor.clone()))
    expected, _ = extract(modiscolite, values)
    ours = len(tfmodisco_seqlets(values))
    assert ours == len(expected) != theirs

    sums = tensor.unfold(-1, 21, 1).sum(dim=-1)
    null, _ = peer._laplacian_null(sums)
    positive = sums[sums >= 0].flatten()
    fit = {"increasing": True, "target_fdr": 0.2}
    as_given = peer._isotonic_thresholds(positive, null, **fit)
    in_order = peer._isotonic_thresholds(positive.sort().values, null, **fit)
    assert as_given > in_order
    run = np.sort(sums.numpy(), axis=None)
    # The peer fits in float32 and to another null, of 10,000 draws. Chosen: near the threshold of
    # sorted sums, and not that of the sums as given.
    assert as_given > 1.02 * in_order
    open_bounds = WindowRules(min_passing_frac=0, max_passing_frac=1)
    assert fit_thresholds(run, None, open_bounds).positive == pytest.approx(in_order, rel=0.02)
