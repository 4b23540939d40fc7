import numpy as np
import pytest

from cisweep.analysis.seqlets.background import CALL_COLUMNS, Background, call, merge, summarise
from cisweep.analysis.seqlets.fdr import Tally, at_fdr, calibrate, merge_tallies
from cisweep.analysis.seqlets.grid_counts import GridCounts, merge_counts
from cisweep.errors import AttributionError, CisweepError, ProductError


def attributions(seed=0):
    X = np.random.default_rng(seed).normal(0, 0.01, (30, 100)).astype(np.float32)
    X[2, 40:50] += 1
    X[5, 20:30] -= 1
    return X


def test_both_signs_are_called_with_signed_sums_in_order():
    X = attributions()
    calls = call(X, merge([summarise(X)]))
    assert tuple(calls.columns) == CALL_COLUMNS
    order = calls[["example_idx", "start", "end"]].values.tolist()
    assert order == sorted(order)
    strongest = calls.sort_values("p_value").head(2).sort_values("example_idx")
    assert strongest["example_idx"].tolist() == [2, 5]
    assert strongest["sign"].tolist() == ["+", "-"]
    # The noise of the 25 positions that a span may have has a standard deviation of 0.05.
    assert strongest["attribution"].tolist() == pytest.approx([10, -10], abs=0.3)


def test_one_outlier_does_not_hide_the_rest_when_clipped():
    X = attributions()
    X[9, 9] = 1e6
    hidden, shown = merge([summarise(X)], clip=0), merge([summarise(X)], clip=1e-3)
    assert not (call(X, hidden)["example_idx"] == 2).any()
    assert (call(X, shown)["example_idx"] == 2).any()


def test_an_empty_chunk_gives_an_empty_table_with_the_same_columns():
    X = attributions()
    empty, full = call(X[:0], merge([summarise(X)])), call(X, merge([summarise(X)]))
    assert len(empty) == 0 and empty.dtypes.equals(full.dtypes)


def test_equal_attributions_have_no_seqlets():
    X = np.full((4, 50), 0.5, np.float32)
    assert len(call(X, merge([summarise(X)]))) == 0


def test_a_threshold_above_one_is_refused():
    X = attributions()
    with pytest.raises(AttributionError, match="at most 1, got 2"):
        call(X, merge([summarise(X)]), threshold=2)


@pytest.mark.parametrize("clip", [-0.1, 0.5])
def test_an_impossible_clip_is_refused(clip):
    with pytest.raises(AttributionError, match=f"below 0.5, got {clip}"):
        merge([summarise(attributions())], clip=clip)


def test_merging_nothing_is_an_error():
    with pytest.raises(ProductError, match="no counts to merge"):
        merge([])
    with pytest.raises(ProductError, match="no tallies to merge"):
        merge_tallies([])


def test_different_grids_do_not_merge():
    parts = [summarise(attributions(), 12), summarise(attributions(), 10)]
    with pytest.raises(ProductError, match="10 mantissa bits .* 12 cannot be merged"):
        merge(parts)
    with pytest.raises(CisweepError, match="24 is not within 0 to 23"):
        summarise(attributions(), 24)


def test_broken_summaries_are_named():
    with pytest.raises(ProductError, match="not a background"):
        Background.from_dict({"low": 0})
    with pytest.raises(ProductError, match="not a tally"):
        Tally.from_dict({"n_positions": 0})


def test_merging_compacts_on_the_way(monkeypatch):
    monkeypatch.setattr("cisweep.analysis.seqlets.grid_counts._BLOCK", 10)
    parts = [GridCounts.of(np.arange(i, i + 7, dtype=np.float32), 12) for i in range(20)]
    merged = merge_counts(parts)
    expected = np.bincount(np.concatenate([np.arange(i, i + 7) for i in range(20)]))
    assert merged.counts.tolist() == expected.tolist()


def scores(p, sign="+"):
    X = attributions()
    calls = call(X, merge([summarise(X)])).iloc[:0]
    return calls.reindex(range(len(p))).assign(p_value=p, sign=sign)


def test_q_values_follow_the_definition():
    calls, decoys = scores([1e-8, 1e-6, 1e-4, 1e-3, 2e-3]), scores([1.1e-6, 5e-4, 1e-2])
    calibration = calibrate(Tally.of(calls, decoys, 100, 300))
    estimates = np.array([1, 1, 2, 3, 3]) / 3 / np.arange(1, 6)
    expected = np.minimum.accumulate(estimates[::-1])[::-1]
    assert calibration.q_values(calls) == pytest.approx(expected)
    kept = at_fdr(calls, calibration, 0.2)
    assert kept["q_value"].tolist() == pytest.approx(expected[expected <= 0.2])


def test_signs_have_their_own_q_values():
    both = scores([1e-5, 1e-5, 1e-5, 1e-5]).assign(sign=["+", "+", "+", "-"])
    tally = Tally.of(both, scores([1e-6] * 2, "-"), 100, 100)
    assert calibrate(tally).q_values(both) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])


def test_seqlets_without_a_null_or_a_tally_are_an_error():
    calls = scores([1e-5])
    with pytest.raises(AttributionError, match="no null"):
        calibrate(Tally.of(calls, calls[:0], 100, 0))
    calibration = calibrate(Tally.of(calls, calls[:0], 100, 100))
    with pytest.raises(ProductError, match="not in the tally"):
        calibration.q_values(scores([0.5]))
    with pytest.raises(AttributionError, match="fdr must be above 0"):
        at_fdr(calls, calibration, 0)
    assert len(at_fdr(calls[:0], calibrate(Tally.of(calls[:0], calls[:0], 0, 0)))) == 0
