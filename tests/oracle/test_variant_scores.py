"""Scores of two alleles against SciPy, loops and written-out numbers."""

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats

from cisweep.analysis.variants.scores import (
    NullPool,
    active_allele_quantile,
    log2_fold_change,
    probability_change,
    profile_change,
)


def test_scales_decide_what_a_difference_means():
    ref, alt = np.array([0.0, 2.0]), np.array([np.log(2), 1.0])
    assert log2_fold_change(ref, alt, "log_counts") == pytest.approx([1.0, -1 / np.log(2)])
    assert log2_fold_change(ref, alt, "log1p_counts") == pytest.approx([1.0, -1 / np.log(2)])
    assert log2_fold_change([3.0], [7.0], "counts") == pytest.approx([1.0])
    sigmoid = 1 / (1 + np.exp(-np.stack([ref, alt])))
    assert probability_change(ref, alt, "logit") == pytest.approx(sigmoid[1] - sigmoid[0])
    assert probability_change([0.2], [0.5], "probability") == pytest.approx([0.3])
    for scale in ("logit", "probability", "value"):
        assert np.isnan(log2_fold_change(ref, alt, scale)).all()
    for scale in ("counts", "log_counts", "log1p_counts", "value"):
        assert np.isnan(probability_change(ref, alt, scale)).all()


def jsd_loop(ref, alt, columns, offset):
    """Pair the columns one by one, renormalise, and leave the distance to SciPy."""
    p, q = [], []
    for track in range(ref.shape[0]):
        for i in range(alt.shape[1]):
            source = columns[i + offset] - offset
            if columns[i + offset] >= 0 and 0 <= source < ref.shape[1]:
                p.append(ref[track, source])
                q.append(alt[track, i])
    p, q = np.array(p) / sum(p), np.array(q) / sum(q)
    change = q - p
    return scipy.spatial.distance.jensenshannon(p, q, base=2), change[np.abs(change).argmax()]


def test_profiles_are_compared_on_the_columns_that_both_have():
    rng = np.random.default_rng(0)
    ref, alt = rng.dirichlet(np.ones(16), (2, 4)).reshape(2, 4, 2, 8)
    same = np.arange(12)
    insertion = np.array([0, 1, 2, 3, 4, -1, -1, 5, 6, 7, 8, 9])
    deletion = np.array([0, 1, 2, 3, 4, 8, 9, 10, 11, -1, -1, -1])
    # What stood before the profile's first column comes into it.
    before = np.array([0, -1, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    columns = np.stack([same, insertion, deletion, before])
    found = profile_change(ref, alt, columns, 2)
    for i in range(4):
        jsd, largest = jsd_loop(ref[i], alt[i], columns[i], 2)
        assert found.jsd[i] == pytest.approx(jsd, abs=1e-9)
        assert found.max_signed[i] == pytest.approx(largest)
        assert found.max_abs[i] == pytest.approx(abs(largest))


def test_equal_and_disjoint_profiles():
    one = np.array([[[1.0, 0, 0, 0]]])
    other = np.array([[[0, 0, 1.0, 0]]])
    columns = np.arange(4)[None]
    assert profile_change(one, one, columns, 0).jsd.tolist() == [0.0]
    assert profile_change(one, other, columns, 0).jsd == pytest.approx([1.0])
    # The same profile moved by an inserted base is the same profile.
    moved = np.array([[[0.4, 0.2, 0.3, 0.1]]])
    before = np.array([[[0.4, 0.3, 0.1, 0.2]]])
    found = profile_change(before, moved, np.array([[0, -1, 1, 2]]), 0)
    assert found.jsd == pytest.approx([0.0], abs=1e-7)


def test_active_allele_quantile_is_the_larger_rank():
    rng = np.random.default_rng(1)
    peaks, ref, alt = rng.normal(size=200), rng.normal(size=50), rng.normal(size=50)
    ref[0], alt[0] = peaks[7], peaks.min() - 1  # as high as a peak is
    expected = [max((peaks <= a).mean(), (peaks <= b).mean()) for a, b in zip(ref, alt)]
    assert active_allele_quantile(ref, alt, peaks) == pytest.approx(expected)


def pool(rng, n, size=1000):
    keys = rng.integers(0, 2**63, n).astype(np.uint64)
    return NullPool(keys, rng.normal(size=(n, 2)).astype(np.float32), size)


def test_empirical_p_and_q_against_loops_and_scipy():
    rng = np.random.default_rng(2)
    nulls = NullPool.empty(2).merge([pool(rng, 60), pool(rng, 40)])
    delta = (3 * rng.normal(size=(30, 2))).astype(np.float32)
    delta[0] = nulls.deltas[5]  # a tie counts as exceeding
    exceeding = nulls.exceeding(delta)
    expected = [
        [sum(abs(x) >= abs(d) for x in nulls.deltas[:, t]) for t, d in enumerate(row)]
        for row in delta
    ]
    assert exceeding.tolist() == expected
    p = nulls.p_values(exceeding)
    assert p == pytest.approx((np.array(expected) + 1) / 101)
    # Counts of two halves add up; q is what SciPy says of all p-values together.
    counts = nulls.counts(exceeding[:11]) + nulls.counts(exceeding[11:])
    q = nulls.q_values(exceeding, counts)
    for t in range(2):
        assert q[:, t] == pytest.approx(scipy.stats.false_discovery_control(p[:, t]))


def test_pools_merge_to_the_same_rows_in_any_order_and_stay_bounded():
    rng = np.random.default_rng(3)
    parts = [pool(rng, n, size=50) for n in (30, 1, 80, 0, 40)]
    one = NullPool.empty(2, 50).merge(parts)
    two = NullPool.empty(2, 50).merge([*parts[::-1], parts[2]])
    nested = NullPool.empty(2, 50).merge([parts[0].merge(parts[1:3]), parts[3].merge(parts[4:])])
    every = np.concatenate([p.keys for p in parts])
    assert len(one.keys) == 50
    assert (one.keys == np.sort(every)[:50]).all()
    for other in (two, nested):
        assert (one.keys == other.keys).all() and (one.deltas == other.deltas).all()
    assert (
        NullPool.empty(2).p_values(NullPool.empty(2).exceeding(np.ones((3, 2)))).tolist()
        == [[1.0, 1.0]] * 3
    )
