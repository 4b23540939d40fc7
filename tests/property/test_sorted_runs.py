"""Runs on disk give what one sorted array gives, and so do the thresholds read from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.analysis import tfmodisco_seqlets
from cisweep.analysis.seqlets import sorted_runs
from cisweep.analysis.seqlets.sorted_runs import (
    Pooled,
    by_sign,
    merge_runs,
    open_run,
    quantile,
    save_run,
)
from cisweep.analysis.seqlets.tfmodisco_seqlets import (
    WindowRules,
    call_windows,
    fit_thresholds,
    window_sums,
)

small = st.floats(-5, 5).map(lambda x: round(x, 1) + 0.0)
numbers = st.lists(st.one_of(small, st.floats(-1e3, 1e3)), max_size=60)


@settings(max_examples=80, deadline=None)
@given(numbers.filter(bool), st.floats(0, 1))
def test_quantiles_are_those_of_numpy_to_the_bit(values, q):
    run = np.sort(np.array(values))
    assert quantile(run, len(run), q) == np.quantile(run, q)
    pooled = Pooled(*by_sign(run))
    magnitudes = np.sort(np.abs(run))
    assert [pooled[i] for i in range(len(run))] == magnitudes.tolist()
    assert quantile(pooled, len(pooled), q) == np.quantile(magnitudes, q)
    for value in magnitudes[:5]:
        assert pooled.below(value) == (magnitudes < value).sum()
    for side in by_sign(run):
        mine = np.array([side[i] for i in range(len(side))])
        for value in (0.0, 0.5, *magnitudes[:3]):
            assert side.below(value) == (mine < value).sum()
            assert side.below(value, or_equal=True) == (mine <= value).sum()


@settings(max_examples=25, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=9), st.integers(1, 12), st.integers(2, 4))
def test_merged_runs_are_one_sort(tmp_path_factory, parts, block, fan_in):
    folder = tmp_path_factory.mktemp("runs")
    paths = [folder / f"{i}.npy" for i in range(len(parts))]
    for path, part in zip(paths, parts):
        save_run(path, np.array(part, np.float64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_runs, "_BLOCK", block)
        patch.setattr(sorted_runs, "_FAN_IN", fan_in)
        merged = merge_runs(paths, folder / "all.npy")
    assert merged.tolist() == sorted(sum(parts, []))
    assert {path.name for path in folder.iterdir()} == {p.name for p in paths} | {"all.npy"}


VALUES = np.random.default_rng(0).laplace(0, 1, (24, 150))
VALUES[::2, 60:70] += 3
VALUES[:, :30] = 0


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 24), max_size=5))
def test_chunks_on_disk_call_what_one_array_calls(tmp_path_factory, inner):
    folder = tmp_path_factory.mktemp("chunks")
    bounds = [0, *sorted(inner), 24]
    chunks = [VALUES[a:b] for a, b in zip(bounds[:-1], bounds[1:])]
    rules = WindowRules()
    paths = [folder / f"{i}.npy" for i in range(len(chunks))]
    for path, chunk in zip(paths, chunks):
        save_run(path, window_sums(chunk, rules))
    thresholds = fit_thresholds(merge_runs(paths, folder / "all.npy"), None, rules)
    whole = tfmodisco_seqlets(VALUES)
    parts = [call_windows(chunk, thresholds, rules) for chunk in chunks]
    for part, start in zip(parts, bounds):
        part["example_idx"] += start
    rows = [row for part in parts for row in part.itertuples(index=False, name=None)]
    assert rows == list(whole.itertuples(index=False, name=None)) and len(rows) > 10


def test_a_broken_run_is_named(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"nothing")
    with pytest.raises(sorted_runs.ProductError, match=r"x\.npy: not a run"):
        open_run(tmp_path / "x.npy")
    np.save(tmp_path / "y.npy", np.zeros((2, 2)))
    with pytest.raises(sorted_runs.ProductError, match=r"one-dimensional float64, got float64"):
        open_run(tmp_path / "y.npy")
    with pytest.raises(sorted_runs.ProductError, match="no runs to merge"):
        merge_runs([], tmp_path / "z.npy")
