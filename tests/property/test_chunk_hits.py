"""Hits of chunks, one after the other, are the hits of one scan; spread against a loop."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisweep.analysis.motifs import null_sample
from cisweep.analysis.motifs.chunk import ChunkCounts, Scan, background_of, hits_of_chunk
from cisweep.analysis.motifs.copies import prepare_copies
from cisweep.analysis.motifs.families import shuffled_columns
from cisweep.analysis.motifs.fimo import count_tests, scan_tokens
from cisweep.analysis.motifs.hits import hit_attributions, hit_fits
from cisweep.analysis.motifs.null_sample import NullSample
from cisweep.analysis.motifs.pieces import Axis, Joined, Piece, batches, owned_intervals
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.motifs.tracks import Attributed, Laid
from cisweep.contracts import Windows
from cisweep.genome.fasta import NamedSequences
from cisweep.genome.motifs import Motif
from cisweep.plan.chunks import Layout

LENGTHS = {"chr2": 400, "chr1": 250}
WIDTH = 40


def motif(text: str, name: str) -> Motif:
    pwm = np.full((4, len(text)), 0.04)
    pwm["ACGT".index(text[0]), 0] = 0.88
    for i, letter in enumerate(text):
        pwm[:, i] = 0.04
        pwm["ACGT".index(letter), i] = 0.88
    return Motif(name, "", pwm)


MOTIFS = [motif("ACG", "m1"), motif("TTGCA", "m2"), motif("CCGGAATT", "m3")]
BACKGROUND = background_of([0.25] * 4, None)
OPTIONS = {"background": BACKGROUND, "threshold": 0.05}
NULL = [copy for m in MOTIFS for copy in shuffled_columns(m, 2, 3)]


@pytest.fixture(scope="module")
def scan():
    model = prepare_motifs(MOTIFS, **OPTIONS)
    return Scan(MOTIFS, model, prepare_copies(MOTIFS, model, 2, 3, OPTIONS))


@pytest.fixture(params=[1.0, 0.6])
def sampled(request, scan, monkeypatch):
    """The scan with copies in all places, and in drawn cells of 16 bases."""
    monkeypatch.setattr(null_sample, "CELL_BP", 16)
    return replace(scan, sample=NullSample(request.param, 7))


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(1)
    letters = {name: rng.integers(0, 4, size) for name, size in LENGTHS.items()}
    for tokens in letters.values():
        tokens[rng.random(len(tokens)) < 0.03] = 4
    return NamedSequences({name: tokens.astype(np.uint8) for name, tokens in letters.items()})


@st.composite
def planned(draw):
    places = draw(
        st.lists(
            st.sampled_from(list(LENGTHS)).flatmap(
                lambda c: st.tuples(st.just(c), st.integers(0, LENGTHS[c] - 1))
            ),
            min_size=1,
            max_size=20,
            unique=True,
        )
    )
    places = sorted(places, key=lambda p: (list(LENGTHS).index(p[0]), p[1]))
    start = [x - WIDTH // 2 for _, x in places]
    return Windows.build([c for c, _ in places], start, [s + WIDTH for s in start])


def attributed(windows: Windows, rows: np.ndarray | slice = slice(None)) -> Attributed:
    """Attributions of those of the windows; a window's are the same among any others."""
    rng = np.random.default_rng(2)
    table = {}
    for key in windows.keys():  # noqa: SIM118
        table[key] = rng.normal(size=(4, WIDTH)).astype(np.float32)
    mine = windows.take(rows)
    letters = np.array([table[k] for k in mine.keys()], np.float32).reshape(-1, 4, WIDTH)  # noqa: SIM118
    return Attributed(
        {"t": mine}, lambda _, own: letters[own].sum(1), lambda _, own: letters[own][:, :, 5:-5]
    )


def scanned(scan, source, intervals, of: Attributed | None, piece_bp: int = 1 << 20):
    """Return the hits of a chunk as one table, and their counts."""
    counts = ChunkCounts.zeros(scan, ["t"])
    tables = list(hits_of_chunk(scan, source, intervals, of, counts, piece_bp=piece_bp))
    # Without any row pandas knows no types, and says so.
    return pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True), counts


def chunked(scan, source, windows: Windows, chunk_bp: int, piece_bp: int, explained=None):
    """Return the results of all chunks; each sees only its own windows and its neighbours'.

    explained: which of the windows have attributions, all by default.
    """
    layout = Layout(LENGTHS, chunk_bp)
    bins = layout.bins_of(windows)
    known = np.ones(len(windows), bool) if explained is None else explained
    found = []
    for i in range(layout.n_bins):
        near = abs(bins - i) <= 1
        part = attributed(windows, np.flatnonzero(near & known))
        intervals = owned_intervals(windows.take(near), layout.stretches(i), LENGTHS)
        found.append(scanned(scan, source, intervals, part, piece_bp))
    return found


def by_hand(scan, source, windows: Windows, explained: np.ndarray):
    """Return the hits of the windows' merged bases, chromosome by chromosome and base by base."""
    of = attributed(windows, np.flatnonzero(explained))
    tables, tests, null = [], 0, np.zeros(len(NULL))
    for chrom, length in LENGTHS.items():
        covered = np.zeros(length, bool)
        for c, a, b in zip(windows.chrom, windows.start, windows.end):
            covered[max(a, 0) : b] |= c == chrom
        tokens = np.where(covered, source.tokens(chrom, 0, length), 4).astype(np.uint8)
        hits = scan_tokens(scan.model, tokens)
        track, letters = (
            spread_by_loop(of, values, chrom, 0, length)
            for values in (of.projected("t", slice(None)), of.hypothetical("t", slice(None)))
        )
        cosine, projection = hit_fits(hits, letters, scan.matrices)
        table = pd.DataFrame({n: hits[n] for n in ("start", "end", "motif_idx", "score")})
        table["chrom"], table["strand"] = chrom, hits["strand"].astype(object)
        table["p_value"], table["attribution_t"] = hits["p_value"], hit_attributions(hits, track)
        tables.append(table.assign(cosine_t=cosine, projection_t=projection))
        tests = tests + count_tests(scan.model, tokens)
        copies = scan_tokens(prepare_motifs(NULL, **OPTIONS), tokens)
        cells = copies["start"] // null_sample.CELL_BP
        drawn = [scan.sample.fraction == 1 or scan.sample.holds(chrom, i) for i in cells.tolist()]
        copies = copies[np.array(drawn, bool)]
        np.add.at(null, copies["motif_idx"], np.nan_to_num(hit_attributions(copies, track)))
    return pd.concat(tables, ignore_index=True), tests, null


def same_hits(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    order = ["chrom", "start", "motif_idx", "strand"]
    pd.testing.assert_frame_equal(
        found[wanted.columns].sort_values(order, ignore_index=True),
        wanted.sort_values(order, ignore_index=True),
        check_dtype=False,
        check_exact=True,
    )


def explained_some(windows: Windows, seed: int) -> np.ndarray:
    """Every window for seed 0, else about half of them."""
    return np.random.default_rng(seed).random(len(windows)) < (0.5 if seed else 2)


@given(planned(), st.integers(2 * WIDTH, 700), st.integers(9, 700), st.integers(0, 5))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_chunks_and_pieces_give_the_hits_of_one_scan(
    sampled, source, windows, chunk_bp, piece_bp, seed
):
    scan = sampled
    explained = explained_some(windows, seed)
    wanted, tests, null = by_hand(scan, source, windows, explained)
    parts = chunked(scan, source, windows, chunk_bp, piece_bp, explained)
    same_hits(pd.concat([t for t, _ in parts if len(t)] or [wanted[:0]]), wanted)
    assert (sum(c.n_tests for _, c in parts) == tests).all()
    assert sum(c.cells.sum() for _, c in parts) == len(wanted)
    total = sum(c.null["t"].total for _, c in parts)
    np.testing.assert_allclose(total, null, atol=1e-5)  # on a grid of 2**-24


@given(planned(), st.integers(2 * WIDTH, 700), st.integers(9, 700), st.integers(0, 5))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_chunks_and_pieces_give_the_same_bytes(
    sampled, source, windows, chunk_bp, piece_bp, seed
):
    scan = sampled
    explained = explained_some(windows, seed)
    ((whole, counts),) = chunked(scan, source, windows, 650, 1 << 20, explained)
    parts = chunked(scan, source, windows, chunk_bp, piece_bp, explained)
    same_hits(pd.concat([t for t, _ in parts if len(t)] or [whole[:0]]), whole)
    merged = parts[0][1]
    for _, other in parts[1:]:
        merged = merged.plus(other)
    for one, two in ((merged.cells, counts.cells), (merged.n_tests, counts.n_tests)):
        assert one.tobytes() == two.tobytes()
    assert merged.null["t"].total.tobytes() == counts.null["t"].total.tobytes()
    assert merged.null["t"].count.tobytes() == counts.null["t"].count.tobytes()


@given(planned(), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_each_target_has_the_attributions_of_its_own_windows(scan, source, windows, seed):
    """Beside another target, at other windows, a target has the columns and null it has alone."""
    rows = {"t": np.flatnonzero(explained_some(windows, seed)), "u": np.arange(0, len(windows), 2)}
    alone = {t: attributed(windows, own) for t, own in rows.items()}
    both = Attributed(
        {t: of.windows["t"] for t, of in alone.items()},
        lambda t, own: alone[t].projected("t", own),
        lambda t, own: alone[t].hypothetical("t", own),
    )
    assert len(both.all_windows) <= sum(map(len, rows.values()))
    intervals = owned_intervals(windows, Layout(LENGTHS, 650).stretches(0), LENGTHS)
    counts = ChunkCounts.zeros(scan, ["t", "u"])
    table = pd.concat(hits_of_chunk(scan, source, intervals, both, counts))
    for target, of in alone.items():
        one, own = scanned(scan, source, intervals, of)
        for kind in ("attribution", "cosine", "projection"):
            found, wanted = table[f"{kind}_{target}"].to_numpy(), one[f"{kind}_t"].to_numpy()
            np.testing.assert_array_equal(found, wanted)
        # The other target's windows are looked at too, where this one has no value.
        assert counts.null[target].total.tobytes() == own.null["t"].total.tobytes()
        assert counts.null[target].count.tobytes() == own.null["t"].count.tobytes()


def test_a_chunk_without_windows_has_no_hit(scan, source):
    of = attributed(Windows.build([], [], []))
    table, counts = scanned(scan, source, [], of)
    assert not len(table) and not counts.cells.any() and not counts.n_tests.any()
    assert list(table.columns[-3:]) == ["attribution_t", "cosine_t", "projection_t"]


def test_batches_are_of_one_size_whatever_the_intervals():
    many = [("chr2", a, a + 10, a + 10) for a in range(0, 400, 20)]
    assert [len(b) for b in batches(many, 4, 50)] == [5, 5, 5, 5]
    (one, two, three) = batches([("chr2", 5, 125, 130)], 4, 50)
    assert one == [Piece("chr2", 5, 55, 59)] and two == [Piece("chr2", 55, 105, 109)]
    assert three == [Piece("chr2", 105, 125, 129)]
    assert next(batches([("chr2", 5, 125, 126)], 4, 500)) == [Piece("chr2", 5, 125, 126)]
    assert list(batches([], 4, 50)) == []


def spread_by_loop(of: Attributed, values: np.ndarray, chrom: str, low: int, high: int):
    """Return (..., high - low) of the windows' central bases: nearest centre, then the first."""
    kept, windows = values.shape[-1], of.windows["t"]
    begin = windows.start + WIDTH // 2 - kept // 2
    out = np.full((*values.shape[1:-1], high - low), np.nan)
    for x in range(low, high):
        rows = [
            (abs(int(windows.centre[i]) - x), i)
            for i in range(len(windows))
            if windows.chrom[i] == chrom and begin[i] <= x < begin[i] + kept
        ]
        if rows:
            i = min(rows)[1]
            out[..., x - low] = values[i][..., x - begin[i]]
    return out


@given(planned(), st.integers(1, 60), st.lists(st.integers(0, 340), max_size=4), st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_attributions_are_laid_as_a_loop_lays_them(source, windows, kept, lows, size):
    kept = min(kept, WIDTH)
    values = np.arange(len(windows) * 2 * kept, dtype=float).reshape(-1, 2, kept)
    of = Attributed({"t": windows}, lambda _, own: values[own, 0], lambda _, own: values[own])
    axis = Axis(tuple(LENGTHS))
    pieces = [Piece("chr2", low, low + size, low + size) for low in lows]
    joined = Joined.read(pieces, axis, source)
    laid = Laid(of.along(axis), joined)
    none = np.full((2, 1), np.nan)
    parts = [spread_by_loop(of, values, "chr2", low, low + size) for low in lows]
    wanted = np.concatenate([x for part in parts for x in (part, none)] or [none[:, :0]], axis=1)
    np.testing.assert_array_equal(laid.hypothetical("t"), wanted)
    np.testing.assert_array_equal(laid.projected("t"), wanted[0])


def test_backgrounds(tmp_path):
    (tmp_path / "c.json").write_text('{"A": 30, "C": 10, "G": 20, "T": 40, "N": 9}')
    np.testing.assert_allclose(
        background_of("genome", tmp_path / "c.json"), [0.35, 0.15, 0.15, 0.35]
    )
    assert background_of("uniform", tmp_path / "none").tolist() == [0.25] * 4
    assert background_of([0.1, 0.2, 0.3, 0.4], tmp_path / "none").tolist() == [0.1, 0.2, 0.3, 0.4]
    words = {a + b: 1 + 5 * (a == b) for a in "ACGT" for b in "ACGT"}
    counts = dict.fromkeys("ACGT", 36) | {"N": 0, "dinucleotides": words}
    (tmp_path / "d.json").write_text(json.dumps(counts))
    chain = background_of("markov1", tmp_path / "d.json")
    np.testing.assert_allclose(chain.transition, np.full((4, 4), 1 / 9) + 5 / 9 * np.eye(4))
    np.testing.assert_allclose(chain.share, 0.25)
