"""Hits of chunks, one after the other, are the hits of one scan; spread against a loop."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.analysis.motifs.chunk import (
    Attributed,
    Scan,
    background_of,
    hits_of_chunk,
    owned_intervals,
    spread,
)
from cisweep.analysis.motifs.score_distribution import prepare_motifs
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
NULL = [motif("GAC", "m1"), motif("ATTGC", "m2"), motif("GGCCTATA", "m3")]
BACKGROUND = background_of([0.25] * 4, None)


@pytest.fixture(scope="module")
def scan():
    model, null = (prepare_motifs(m, background=BACKGROUND, threshold=0.01) for m in (MOTIFS, NULL))
    return Scan(MOTIFS, model, null)


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(1)
    return NamedSequences(
        {n: rng.integers(0, 5, size).astype(np.uint8) % 5 for n, size in LENGTHS.items()}
    )


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


def attributed(windows: Windows) -> Attributed:
    rng = np.random.default_rng(2)
    table = {}
    for key in windows.keys():  # noqa: SIM118
        table[key] = rng.normal(size=(4, WIDTH)).astype(np.float32)
    letters = np.stack([table[k] for k in windows.keys()])  # noqa: SIM118
    return Attributed(windows, {"t": letters.sum(1)}, {"t": letters[:, :, 5:-5]})


def chunked(scan, source, windows: Windows, of: Attributed, chunk_bp: int):
    """Return the results of all chunks; each sees only its own windows and its neighbours'."""
    layout = Layout(LENGTHS, chunk_bp)
    bins = layout.bins_of(windows)
    found = []
    for i in range(layout.n_bins):
        near = np.flatnonzero(abs(bins - i) <= 1)
        mine = windows.take(near)
        part = Attributed(mine, {"t": of.projected["t"][near]}, {"t": of.hypothetical["t"][near]})
        intervals = owned_intervals(mine, layout.stretches(i), LENGTHS) if len(mine) else []
        found.append(hits_of_chunk(scan, source, intervals, part if len(mine) else None))
    return found


@given(planned(), st.integers(2 * WIDTH, 700))
@settings(max_examples=40, deadline=None)
def test_any_chunks_give_the_hits_of_one(scan, source, windows, chunk_bp):
    of = attributed(windows)
    (whole,) = chunked(scan, source, windows, of, 650)
    parts = chunked(scan, source, windows, of, chunk_bp)
    columns = list(whole.table.columns)
    joined = pd.concat([p.table for p in parts if len(p.table)] or [whole.table[:0]])
    order = ["chrom", "start", "motif_idx", "strand"]
    pd.testing.assert_frame_equal(
        joined[columns].sort_values(order, ignore_index=True),
        whole.table.sort_values(order, ignore_index=True),
        check_dtype=False,
    )
    assert (sum(p.cell_counts for p in parts) == whole.cell_counts).all()
    assert (sum(p.n_tests for p in parts) == whole.n_tests).all()


@given(planned(), st.integers(1, 60), st.integers(0, 350), st.integers(1, 100))
@settings(max_examples=100, deadline=None)
def test_spread_is_that_of_a_loop(windows, kept, low, size):
    kept = min(kept, WIDTH)
    values = np.arange(len(windows) * 2 * kept, dtype=float).reshape(-1, 2, kept)
    got = spread(values, windows, "chr2", low, low + size)
    begin = windows.start + WIDTH // 2 - kept // 2
    wanted = np.full((2, size), np.nan)
    for x in range(low, low + size):
        rows = [
            (abs(int(windows.centre[i]) - x), i)
            for i in range(len(windows))
            if windows.chrom[i] == "chr2" and begin[i] <= x < begin[i] + kept
        ]
        if rows:
            i = min(rows)[1]
            wanted[:, x - low] = values[i][:, x - begin[i]]
    np.testing.assert_array_equal(got, wanted)


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
