"""On data without signal the realised false discovery rate stays at or below the target."""

import numpy as np
import pytest

from cisweep.analysis.seqlets.background import call, merge, summarise
from cisweep.analysis.seqlets.fdr import (
    NullSize,
    Tally,
    at_fdr,
    calibrate,
    summarise_calls,
    within_sequence_null,
)
from cisweep.analysis.seqlets.spans import SpanRules


def noise(rng, n, length=150, correlated=True):
    """Laplace noise; correlated along the sequence, as attributions are."""
    values = rng.laplace(0, 1, (n, length + 4))
    window = 5 if correlated else 1
    return sum(values[:, i : i + length] for i in range(window)).astype(np.float32)


def called(values, null, target):
    background = merge([summarise(values)], rules=SpanRules(4, 15, 0, 200))
    calls, decoys = call(values, background), call(null, background)
    calibration = calibrate(Tally.of(calls, decoys, values.size, null.size))
    return at_fdr(calls, calibration, target), len(calls)


@pytest.mark.parametrize(("target", "ratio"), [(0.1, 1), (0.3, 1), (0.3, 3)])
def test_on_pure_noise_few_sets_have_any_call(target, ratio):
    rng = np.random.default_rng(7)
    sets, hit, lenient = 60, {"+": 0, "-": 0}, 0
    for _ in range(sets):
        values, null = noise(rng, 12), noise(rng, 12 * ratio)
        seqlets, n = called(values, null, target)
        lenient += n
        for sign in hit:  # every call is false: the false discovery rate is P(any call)
            hit[sign] += (seqlets["sign"] == sign).any()
    assert lenient > sets * 20  # before calibration, noise does give calls
    slack = 2.6 * np.sqrt(target * (1 - target) / sets)
    assert max(hit.values()) / sets <= target + slack


def test_with_signal_the_share_of_false_calls_is_at_or_below_the_target():
    rng = np.random.default_rng(8)
    shares, found = [], 0
    for _ in range(30):
        values, null = noise(rng, 25), noise(rng, 50)
        truth = np.zeros(values.shape, bool)
        for row in range(25):
            start = rng.integers(5, 130)
            planted = rng.random() < 0.5
            values[row, start : start + 8] += 8 * planted
            truth[row, start : start + 8] = planted
        seqlets, _ = called(values, null, 0.2)
        seqlets = seqlets[seqlets["sign"] == "+"]
        spans = zip(seqlets["example_idx"], seqlets["start"], seqlets["end"])
        real = np.array([truth[i, a:b].any() for i, a, b in spans], bool)
        shares.append(1 - real.mean() if len(real) else 0)
        found += real.sum()
    assert found > 100  # of some 375 that are planted: calling nothing would hold the rate too
    assert np.mean(shares) <= 0.2


def test_the_null_within_sequences_holds_for_independent_positions():
    rng = np.random.default_rng(9)
    hit = 0
    for _ in range(60):
        values = noise(rng, 12, correlated=False)
        seqlets, _ = called(values, within_sequence_null(values, n=2), 0.2)
        hit += (seqlets["sign"] == "+").any()
    assert hit / 60 <= 0.2 + 2.6 * np.sqrt(0.2 * 0.8 / 60)


@pytest.mark.parametrize(
    ("n_windows", "fdr", "most", "draws", "fraction"),
    [
        (10, 0.2, 20_000, 20, 1),  # 40 / 0.2 = 200 shuffled windows
        (150, 0.2, 20_000, 2, 1),
        (200, 0.2, 20_000, 1, 1),
        (300, 0.05, 20_000, 3, 1),
        (2_000, 0.2, 20_000, 1, 1),
        (3_000, 0.2, 20_000, 1, 0.66),  # 400 / 0.2 = 2,000 are enough
        (3_010, 0.2, 20_000, 1, 0.66),  # the same two digits: nothing is made anew
        (1_000_000, 0.2, 20_000, 1, 0.002),
        (8_000, 0.05, 20_000, 1, 1),
        (3_000, 0.2, 1_000, 1, 0.33),
        (200_000, 0.01, 20_000, 1, 0.1),
        (60, 0.01, 100, 1, 1),  # never more than `most`
        (0, 0.2, 20_000, 200, 1),
    ],
)
def test_few_windows_have_many_shuffles_and_many_a_sample(n_windows, fdr, most, draws, fraction):
    assert NullSize.of(n_windows, fdr, most) == NullSize(draws, fraction)


def test_a_null_of_a_sample_holds_the_rate_too():
    rng, hit = np.random.default_rng(12), 0
    for _ in range(60):
        seqlets, _ = called(noise(rng, 40), noise(rng, 10), 0.2)
        hit += (seqlets["sign"] == "+").any()
    assert hit / 60 <= 0.2 + 2.6 * np.sqrt(0.2 * 0.8 / 60)


def test_a_null_of_a_sample_finds_what_is_there_at_the_rate():
    """A decoy of a quarter of the windows counts four times, which costs finds and not the rate."""
    found = {}
    for n_null in (25, 100):
        rng, shares, found[n_null] = np.random.default_rng(13), [], 0
        for _ in range(15):
            values, null = noise(rng, 100), noise(rng, n_null)
            start = rng.integers(5, 130, 50)
            truth = np.zeros(values.shape, bool)
            for row, a in enumerate(start):
                values[row, a : a + 8] += 8
                truth[row, a : a + 8] = True
            seqlets, _ = called(values, null, 0.2)
            seqlets = seqlets[seqlets["sign"] == "+"]
            spans = zip(seqlets["example_idx"], seqlets["start"], seqlets["end"])
            real = np.array([truth[i, a:b].any() for i, a, b in spans], bool)
            shares.append(1 - real.mean() if len(real) else 0)
            found[n_null] += real.sum()
        assert np.mean(shares) <= 0.2 + 0.02  # the mean of 15
    assert found[25] > 0.5 * found[100]  # 250 of 420


def test_few_windows_with_signal_have_seqlets_only_with_several_shuffles():
    rng, size = np.random.default_rng(10), NullSize.of(10, 0.05, 20_000)
    values = noise(rng, 10)
    for row in range(3):
        values[row, 40:48] += 12
    one, many = noise(rng, 10), noise(rng, 10 * size.draws)
    background = merge([summarise(values)], rules=SpanRules(4, 15, 0, 200))
    found = {}
    for name, null in (("one", one), ("many", many)):
        calls, decoys = call(values, background), call(null, background)
        tally = Tally.of(calls, decoys, values.size, null.size)
        calibration = calibrate(tally)
        seqlets = at_fdr(calls, calibration, 0.05)
        found[name] = summarise_calls(tally, calibration, 0.05).set_index("sign")
        for sign, row in found[name].iterrows():
            assert row["n_seqlets"] == (seqlets["sign"] == sign).sum()
            assert row["n_called"] == (calls["sign"] == sign).sum()
    assert found["one"].loc["+", "n_seqlets"] == 0  # it would take 20 seqlets and no decoy
    assert found["one"].loc["+", "lowest_rate"] > 0.05 and found["one"].loc["+", "null_ratio"] == 1
    assert found["many"].loc["+", "n_seqlets"] >= 3 and found["many"].loc["+", "null_ratio"] == 80


def test_a_null_of_many_shuffles_holds_the_rate_too():
    rng, hit = np.random.default_rng(11), 0
    for _ in range(60):
        seqlets, _ = called(noise(rng, 10), noise(rng, 200), 0.2)
        hit += (seqlets["sign"] == "+").any()
    assert hit / 60 <= 0.2 + 2.6 * np.sqrt(0.2 * 0.8 / 60)
