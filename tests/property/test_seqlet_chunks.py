"""Seqlets do not know how the set was cut, merged or ordered."""

import json

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.analysis.seqlets.background import Background, call, merge, summarise
from cisweep.analysis.seqlets.fdr import (
    Tally,
    at_fdr,
    calibrate,
    merge_tallies,
    within_sequence_null,
)
from cisweep.analysis.seqlets.grid_counts import (
    GridCounts,
    merge_counts,
    on_grid,
)
from cisweep.analysis.seqlets.recursive_seqlets import recursive_seqlets
from cisweep.analysis.seqlets.spans import SpanRules


def planted(n, length, seed):
    rng = np.random.default_rng(seed)
    values = rng.laplace(0, 0.01, (n, length))
    for row in values:
        for start in rng.integers(0, length - 10, 3):
            row[start : start + 8] += rng.uniform(-0.3, 0.5)
    return values.astype(np.float32)


WHOLE = planted(40, 120, seed=0)
SHUFFLED = np.random.default_rng(1).laplace(0, 0.012, (40, 2, 120)).astype(np.float32)

cuts = st.lists(st.integers(0, 40), max_size=6).map(lambda inner: [0, *sorted(inner), 40])


def run(bounds, order, clip=1e-3, bits=12):
    """The four passes over chunks: background, calls and their bytes."""
    chunks = [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:])]
    summaries = [summarise(WHOLE[chunk], bits) for chunk in chunks]
    background = merge([summaries[i] for i in order], clip=clip)
    text = json.dumps(background.to_dict(), sort_keys=True)
    background = Background.from_dict(json.loads(text))
    tables, tallies = [], []
    for chunk in chunks:
        null = SHUFFLED[chunk].reshape(-1, 120)
        calls, decoys = call(WHOLE[chunk], background), call(null, background)
        tallies.append(Tally.of(calls, decoys, WHOLE[chunk].size, null.size))
        tables.append(calls.assign(example_idx=calls["example_idx"] + chunk.start))
    tallies = [Tally.from_dict(json.loads(json.dumps(tally.to_dict()))) for tally in tallies]
    calibration = calibrate(merge_tallies(tallies[i] for i in order))
    called = pd.concat([at_fdr(table, calibration, 0.2) for table in tables])
    return text, called.to_csv(index=False).encode()


@settings(max_examples=25, deadline=None)
@given(bounds=cuts, data=st.data())
def test_any_chunks_in_any_order_give_the_same_bytes(bounds, data):
    order = data.draw(st.permutations(range(len(bounds) - 1)))
    text, called = run(bounds, order)
    expected = run([0, 40], [0])
    assert (text, called) == expected
    assert called.count(b"\n") > 20 and b",-," in called and b",+," in called


@settings(max_examples=10, deadline=None)
@given(bounds=cuts)
def test_without_clipping_the_calls_are_those_of_one_call_on_everything(bounds):
    chunks = [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:])]
    background = merge([summarise(WHOLE[chunk], 23) for chunk in chunks], clip=0)
    tables = [
        call(WHOLE[chunk], background).assign(
            example_idx=lambda t, c=chunk: t.example_idx + c.start
        )
        for chunk in chunks
    ]
    called = pd.concat(tables, ignore_index=True)
    for sign, upright in (("+", WHOLE), ("-", -WHOLE)):
        whole = recursive_seqlets(upright).sort_values(["example_idx", "start"])
        chunked = called[called["sign"] == sign]
        assert len(whole) > 10
        for name in ("example_idx", "start", "end"):
            assert whole[name].tolist() == chunked[name].tolist()
        assert whole["p-value"].tolist() == chunked["p_value"].tolist()
        factor = 1 if sign == "+" else -1
        np.testing.assert_allclose(whole["attribution"] * factor, chunked["attribution"])


@settings(max_examples=10, deadline=None)
@given(clip=st.sampled_from([0, 1e-3, 0.01, 0.2]), bits=st.sampled_from([6, 12, 18]))
def test_on_the_grid_and_clipped_the_calls_are_those_of_one_call(clip, bits):
    background = merge([summarise(WHOLE[:13], bits), summarise(WHOLE[13:], bits)], clip=clip)
    ordered = np.sort(on_grid(WHOLE, bits), axis=None)
    k = int(clip * WHOLE.size)
    assert (background.low, background.high) == (ordered[k], ordered[WHOLE.size - 1 - k])
    clipped = np.clip(on_grid(WHOLE, bits), ordered[k], ordered[WHOLE.size - 1 - k])
    whole = recursive_seqlets(clipped).sort_values(["example_idx", "start"])
    called = call(WHOLE, background, signs=("+",))
    assert whole[["example_idx", "start", "end"]].values.tolist() == (
        called[["example_idx", "start", "end"]].values.tolist()
    )
    assert whole["p-value"].tolist() == called["p_value"].tolist()


finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(finite, max_size=30), min_size=1, max_size=5), st.integers(0, 23))
def test_counts_merge_like_one_pile(parts, bits):
    arrays = [np.array(part, np.float32) for part in parts]
    together = GridCounts.of(np.concatenate(arrays), bits)
    left = merge_counts(GridCounts.of(part, bits) for part in arrays)
    nested = GridCounts.of(arrays[0], bits)
    for part in reversed(arrays[1:]):
        nested = merge_counts([GridCounts.of(part, bits), nested])
    for merged in (left, nested):
        assert merged.values.tobytes() == together.values.tobytes()
        assert merged.counts.tobytes() == together.counts.tobytes()
    pile = np.sort(np.concatenate(arrays))
    assert together.n == len(pile)
    for rank in range(len(pile)):
        assert together.order_statistic(rank) == np.sort(on_grid(pile, bits))[rank]
    with np.errstate(over="ignore"):
        gap = np.abs(on_grid(pile, bits).astype(float) - pile)
    assert (gap <= np.abs(pile.astype(float)) * 2.0**-bits + 1.2e-38).all()


@settings(max_examples=10, deadline=None)
@given(bounds=cuts)
def test_the_null_within_sequences_does_not_know_chunks(bounds):
    whole = within_sequence_null(WHOLE, n=2, random_state=3)
    parts = [
        within_sequence_null(WHOLE[a:b], n=2, random_state=3).reshape(2, b - a, 120)
        for a, b in zip(bounds[:-1], bounds[1:])
    ]
    assert (np.concatenate(parts, axis=1).reshape(-1, 120) == whole).all()
    assert (np.sort(whole[:40]) == np.sort(WHOLE)).all() and (whole[:40] != WHOLE).any()


def test_a_background_of_nothing_calls_nothing():
    background = merge([summarise(np.empty((0, 50), np.float32))], rules=SpanRules(4, 10))
    assert background.n_positions == 0
    assert len(call(np.empty((0, 50), np.float32), background)) == 0
