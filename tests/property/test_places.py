"""Places that several windows cover count once, however the windows are cut into chunks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.analysis.seqlets.background import merge, summarise
from cisweep.analysis.seqlets.fdr import merge_tallies
from cisweep.analysis.seqlets.places import Owned, central_calls, count_windows
from cisweep.analysis.seqlets.tables import Explained, call_chunk, in_genome_order, seqlets_of
from cisweep.contracts import Windows

LENGTH = 60
places = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(-20, 150), st.sampled_from("+-.")),
    min_size=1, max_size=12, unique=True,
)  # fmt: skip


def windows_at(rows, length=LENGTH):
    chrom, start, strand = zip(*rows)
    return Windows.build(chrom, start, np.array(start) + length, strand)


@settings(max_examples=200, deadline=None)
@given(rows=places, length=st.sampled_from([7, 8, 60]), span=st.integers(1, 7))
def test_each_place_belongs_to_the_nearest_window(rows, length, span):
    windows = windows_at(rows, length)
    owned = Owned.of(windows)
    for chrom in "ab":
        for start in range(-30, 230):
            end = start + span
            cover = np.array([
                i for i in range(len(rows))
                if windows.chrom[i] == chrom
                and windows.start[i] <= start and end <= windows.end[i]
            ], np.int64)  # fmt: skip
            if not len(cover):
                continue
            # By hand: the nearest centre; of equals the left one; of both strands the first.
            middle = (start + end) / 2
            best = min(
                cover,
                key=lambda i: (
                    abs((windows.start[i] + windows.end[i]) / 2 - middle),
                    windows.start[i],
                    windows.strand[i],
                ),
            )
            has = owned.has(cover, np.full(len(cover), start), np.full(len(cover), end))
            assert cover[has].tolist() == [best]
            border = owned.at_border(cover, np.full(len(cover), start), np.full(len(cover), end))
            bases = [
                {p for p in range(start, end) if owned.has(np.array([i]), p, p + 1)[0]}
                for i in cover
            ]
            assert border.tolist() == [bool(b) and i != best for b, i in zip(bases, cover)]
    covered = {
        (c, p) for c, s, e in zip(windows.chrom, windows.start, windows.end) for p in range(s, e)
    }
    assert owned.n_positions(windows) == len(covered)


@settings(max_examples=50, deadline=None)
@given(rows=places, data=st.data())
def test_windows_further_than_a_length_change_nothing(rows, data):
    windows = windows_at(rows)
    mine = windows.take(np.array(data.draw(st.permutations(range(len(rows))))[:3]))
    near = np.array([
        any(
            c == windows.chrom[i] and abs(s - windows.start[i]) < LENGTH
            for c, s in zip(mine.chrom, mine.start)
        )
        for i in range(len(rows))
    ])  # fmt: skip
    few, all_ = Owned.of(mine, windows.take(near)), Owned.of(mine, windows)
    for i in range(len(mine)):
        inside = np.arange(mine.start[i], mine.end[i] - 4)
        row = np.full(len(inside), i)
        assert (few.has(row, inside, inside + 4) == all_.has(row, inside, inside + 4)).all()
    assert few.n_positions(mine) == all_.n_positions(mine)


calls_at = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]), st.sampled_from("+-"), st.integers(0, 5), st.integers(0, 40),
        st.integers(3, 12), st.sampled_from(["owned", "border", "no"]),
    ), max_size=14,
)  # fmt: skip


def table_of(rows):
    window = np.array([r[2] * 11 for r in rows], np.int64)
    start = window + np.array([r[3] for r in rows], np.int64)
    return pd.DataFrame({
        "chrom": np.array([r[0] for r in rows], object),
        "sign": np.array([r[1] for r in rows], object),
        "start": start, "end": start + np.array([r[4] for r in rows], np.int64),
        "window_start": window, "window_end": window + LENGTH,
        "owned": np.array([r[5] == "owned" for r in rows], bool),
        "at_border": np.array([r[5] == "border" for r in rows], bool),
    })  # fmt: skip


def over(a, b):
    same = a.chrom == b.chrom and a.sign == b.sign
    return same and a.start < b.end and b.start < a.end


@settings(max_examples=300, deadline=None)
@given(rows=calls_at)
def test_of_overlapping_calls_of_two_windows_the_central_one_stays(rows):
    table = table_of(rows)
    kept, calls = central_calls(table), list(table.itertuples())
    assert len(kept) == len(calls)
    rank = sorted(
        range(len(calls)),
        key=lambda i: (
            abs(calls[i].start + calls[i].end - calls[i].window_start - calls[i].window_end),
            calls[i].window_start,
            calls[i].start,
            calls[i].end,
        ),
    )

    def clash(i, others):
        return any(
            over(calls[i], calls[j]) and calls[i].window_start != calls[j].window_start
            for j in others
        )

    stay = []
    for i in rank:
        if calls[i].owned and not clash(i, stay):
            stay.append(i)
    lost = [i for i in rank if calls[i].at_border and not clash(i, stay)]
    for i in [i for i in lost if clash(i, lost)]:
        if not clash(i, stay):
            stay.append(i)
    assert sorted(stay) == np.flatnonzero(kept).tolist()


@settings(max_examples=300, deadline=None)
@given(rows=calls_at, data=st.data())
def test_windows_in_which_a_place_is_called_are_counted(rows, data):
    table = table_of(rows)
    mask = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool
    )
    expected = [
        len({c.window_start for c in table.itertuples() if over(p, c)})
        for p in table[mask].itertuples()
    ]
    assert count_windows(table[mask], table).tolist() == expected


def genome(seed, shifts, n_sites=12, length=200):
    """Noise along a genome, sites in it, and windows that are shifted over each site."""
    rng = np.random.default_rng(seed)
    track = rng.laplace(0, 0.05, 600 * n_sites).astype(np.float32)
    sites = 600 * np.arange(n_sites) + 295
    start, values = [], []
    for site in sites:
        track[site : site + 10] += 2
        for shift in shifts:
            start.append(site + 5 - length // 2 + shift)
    start = np.array(start)
    windows = Windows.build(["c"] * len(start), start, start + length)
    for a in start:  # what a model says of a base differs a little from window to window
        values.append(track[a : a + length] + rng.normal(0, 0.01, length))
    null = rng.laplace(0, 0.05, (len(start), length)).astype(np.float32)
    tokens = rng.integers(0, 4, track.size).astype(np.uint8)
    return sites, windows, np.array(values, np.float32), null, tokens


def run(windows, values, null, tokens, chunk_bp):
    """The passes of the step over chunks of `chunk_bp` and their neighbours."""
    background = merge([summarise(values)], clip=0)
    tables, tallies = [], []
    bins = windows.centre // chunk_bp
    for b in np.unique(bins):
        mine, near = bins == b, windows.take(np.abs(bins - b) <= 1)
        own = windows.take(mine)
        letters = np.stack([tokens[a:e] for a, e in zip(own.start, own.end)])
        real, copies = (Explained.of(own, x[mine], near) for x in (values, null))
        table, tally = call_chunk("t", real, copies, letters, background, 0.01, ("+", "-"))
        tables.append(table)
        tallies.append(tally)
    calls = pd.concat(tables[::-1], ignore_index=True)
    found, tally, _ = seqlets_of(calls, merge_tallies(tallies), 0.2)
    return in_genome_order(found, ["c"]), tally, calls


@pytest.mark.parametrize("shifts", [(0,), (-30, 0, 30), (-41, -11, 12, 17), (-35, 35)])
def test_windows_shifted_over_a_site_give_one_seqlet(shifts):
    sites, *rest = genome(3, shifts)
    found, tally, calls = run(*rest, chunk_bp=10_000)
    up = found[found["sign"] == "+"]
    at = [up[(up["start"] < s + 10) & (up["end"] > s)] for s in sites]
    assert [len(rows) for rows in at] == [1] * len(sites)
    nearest = {shift for shift in shifts if abs(shift) == min(map(abs, shifts))}
    for site, (_, row) in zip(sites, pd.concat(at).iterrows()):
        assert row["window_start"] - (site + 5 - 100) in nearest
        assert row["n_windows"] == len(shifts)
    span = 200 + max(shifts) - min(shifts)
    assert tally.n_positions == tally.n_null_positions == span * len(sites)
    strong = calls[(calls["sign"] == "+") & (calls["p_value"] <= found["p_value"].max())]
    # So that there was something to count once: each of the windows calls the site (n_windows).
    # Chosen: one call in ten may lie just below the weakest one that is kept.
    assert len(strong) > 0.9 * len(shifts) * len(sites)


@pytest.mark.parametrize("chunk_bp", [211, 299, 300, 900])
def test_chunks_do_not_change_which_window_counts(chunk_bp):
    """Bins of a window's length, whose borders lie between the windows of a site too."""
    _, *rest = genome(5, (-41, -11, 12, 17))
    whole, tally, _ = run(*rest, chunk_bp=10**6)
    found, cut, _ = run(*rest, chunk_bp=chunk_bp)
    pd.testing.assert_frame_equal(found, whole)
    assert cut.to_dict() == tally.to_dict()
    bins = rest[0].centre.reshape(-1, 4) // chunk_bp
    assert (bins.min(axis=1) < bins.max(axis=1)).any()


def test_without_signal_overlapping_windows_keep_the_rate():
    """Noise of its own in each window: every call is false, and covers count once."""
    rng = np.random.default_rng(2)
    start = np.sort(rng.integers(0, 3000, 40))
    windows = Windows.build(["c"] * 40, start, start + 150)
    tokens = np.zeros(4000, np.uint8)
    hit = {"+": 0, "-": 0}
    for _ in range(60):
        noise = rng.laplace(0, 1, (2, 40, 154))
        values, null = sum(noise[..., i : i + 150] for i in range(5)).astype(np.float32)
        found, _, _ = run(windows, values, null, tokens, chunk_bp=10**6)
        for sign in hit:
            hit[sign] += (found["sign"] == sign).any()
    # The rate asked for, and 2.6 standard deviations of 60 draws.
    assert max(hit.values()) / 60 <= 0.2 + 2.6 * np.sqrt(0.2 * 0.8 / 60)


def test_decoys_count_where_seqlets_do():
    """With the windows' own attributions as the null, both tallies are the same."""
    _, windows, values, _, _ = genome(3, (-41, -11, 12, 17))
    real = Explained.of(windows, values)
    tokens = np.zeros(values.shape, np.uint8)
    background = merge([summarise(values)], clip=0)
    calls, tally = call_chunk("t", real, real, tokens, background, 0.01, ("+", "-"))
    fields = tally.to_dict()
    assert [fields[f"seqlets{s}"] for s in "+-"] == [fields[f"decoys{s}"] for s in "+-"]
    # Four windows call a place that counts once, a quarter; half is where each counts twice.
    assert tally.seqlets["+"].n < 0.5 * (calls["sign"] == "+").sum()
