"""Attributions of hits, how matrices fit them, overlaps."""

import numpy as np
import pytest

from cisweep.analysis.motifs.families import centred_information
from cisweep.analysis.motifs.fimo import HIT
from cisweep.analysis.motifs.hits import (
    HitSums,
    hit_attributions,
    hit_fits,
    resolve_overlaps,
)
from cisweep.genome.motifs import Motif


def make_hits(rows) -> np.ndarray:
    """rows: (motif_idx, strand, start, end, p_value)."""
    hits = np.zeros(len(rows), dtype=HIT)
    for column, values in zip(("motif_idx", "strand", "start", "end", "p_value"), zip(*rows)):
        hits[column] = values
    return hits


def motif(name: str, word: str = "ACG") -> Motif:
    return Motif(name, name.upper(), np.eye(4)[["ACGT".index(c) for c in word]].T)


def matrices(*motifs: Motif) -> list[np.ndarray]:
    return [centred_information(m.pwm) for m in motifs]


def test_hit_attributions_are_sums_over_spans():
    hits = make_hits(
        [
            (0, "+", 100, 103, 1),
            (1, "-", 102, 104, 1),
            (0, "+", 98, 101, 1),
            (1, "+", 103, 106, 1),
            (0, "+", 101, 104, 1),
        ]
    )
    track = np.array([[1.0, 2, 4, 8, 16], [0, 0, 1, np.nan, 0]])
    got = hit_attributions(hits, track, offset=100)
    np.testing.assert_array_equal(
        got, [[7, 12, np.nan, np.nan, 14], [1, np.nan, np.nan, np.nan, np.nan]]
    )
    np.testing.assert_array_equal(hit_attributions(hits, track[0], 100), got[0])
    assert hit_attributions(hits[:0], track).shape == (2, 0)


def test_hit_attribution_does_not_depend_on_where_the_track_begins():
    rng = np.random.default_rng(0)
    track = rng.normal(size=500).astype(np.float32) * 1e3
    starts = rng.integers(100, 470, 50)
    hits = make_hits([(0, "+", s, s + 19, 1) for s in starts])
    whole = hit_attributions(hits, track)
    np.testing.assert_array_equal(whole, hit_attributions(hits, track[77:], 77))


def test_sums_are_the_same_bytes_for_any_blocks():
    rng = np.random.default_rng(1)
    motif_idx, values = rng.integers(0, 5, 1000), rng.normal(size=1000)
    values[::50] = np.nan
    whole, parts = HitSums.zeros(5), HitSums.zeros(5)
    whole.add(motif_idx, values)
    for a, b in ((0, 3), (3, 400), (400, 400), (400, 1000)):
        parts.add(motif_idx[a:b], values[a:b])
    np.testing.assert_array_equal(whole.total, parts.total)
    np.testing.assert_array_equal(whole.count, parts.count)
    assert whole.mean[2] == pytest.approx(np.nanmean(values[motif_idx == 2]))


def test_cosine_is_one_for_the_motif_itself_on_both_strands():
    m = motif("a", "ACCGT")
    centred = (m.pwm - 0.25) * 2
    track = np.zeros((4, 30))
    track[:, 5:10] = centred * 3 + 7  # any scale and offset
    track[:, 15:20] = centred[::-1, ::-1]
    track[:, 22:27] = -centred
    hits = make_hits(
        [
            (0, "+", 105, 110, 1),
            (0, "-", 115, 120, 1),
            (0, "+", 122, 127, 1),
            (0, "+", 111, 116, 1),
            (0, "-", 127, 132, 1),
            (0, "+", 110, 115, 1),
        ]
    )
    got, projection = hit_fits(hits, track, matrices(m), offset=100)
    np.testing.assert_allclose(got[:3], [1, 1, -1])
    assert abs(got[3]) < 1 and np.isnan(got[4:]).all()
    length = np.sqrt(((m.pwm - 0.25) ** 2).sum()) * 2
    np.testing.assert_allclose(projection[:3], [3 * length, length, -length])
    assert np.isnan(projection[4]) and projection[5] == 0  # there is nothing to be like


def test_projections_against_a_loop_over_letters():
    rng = np.random.default_rng(8)
    m = Motif("a", "", rng.dirichlet([0.5] * 4, size=6).T)
    track = rng.normal(size=(4, 40))
    hits = make_hits([(0, "+", 3, 9, 1), (0, "-", 20, 26, 1)])
    weights = centred_information(m.pwm)
    for got, hit in zip(hit_fits(hits, track, [weights])[1], hits):
        turned = weights if hit["strand"] == "+" else weights[::-1, ::-1]
        total = 0.0
        for j in range(6):
            column = track[:, hit["start"] + j]
            for base in range(4):
                total += (column[base] - sum(column) / 4) * turned[base, j]
        assert got == pytest.approx(total / np.sqrt(sum(w * w for w in weights.ravel())))


def test_a_flat_matrix_fits_nothing():
    flat = Motif("flat", "", np.full((4, 3), 0.25))
    found = hit_fits(make_hits([(0, "+", 2, 5, 1)]), np.eye(4, 9), matrices(flat))
    assert np.isnan(found).all()


def test_half_a_site_projects_less_than_the_whole_of_it():
    whole, half = motif("whole", "ACCGTAAC"), motif("half", "ACCG")
    track = np.zeros((4, 20))
    track[:, 5:13] = whole.pwm
    hits = make_hits([(0, "+", 5, 13, 1e-5), (1, "+", 5, 9, 1e-5)])
    cosine, projection = hit_fits(hits, track, matrices(whole, half))
    np.testing.assert_allclose(cosine, 1)
    assert projection[0] > 1.4 * projection[1]
    assert resolve_overlaps(hits, projection, ["whole", "half"]).tolist() == [True, False]


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 11, 31, 32, 33, 64, 70])
def test_fits_have_the_bits_of_numpy(width):
    rng = np.random.default_rng(width)
    shares = [rng.dirichlet([0.5] * 4, size=width).T for _ in range(3)]
    weights = [centred_information(share) for share in shares]
    starts = rng.integers(0, 600 - width + 1, 400)
    strands, which = rng.choice(["+", "-"], 400), rng.integers(0, 3, 400)
    rows = [(m, s, a, a + width, 1) for m, s, a in zip(which, strands, starts)]
    track = rng.normal(size=(4, 600))
    track[2, 20] = np.nan
    cosine, projection = hit_fits(make_hits(rows), track, weights)
    centred = track - track.mean(axis=0)
    spans = centred[:, starts[:, None] + np.arange(width)].transpose(1, 0, 2)
    flat = np.ascontiguousarray(spans).reshape(400, -1)
    turned = [
        m[::-1, ::-1] if s == "-" else m for m, s in zip((weights[i] for i in which), strands)
    ]
    dot = (flat * np.array([m.ravel() for m in turned])).sum(axis=1)
    length = np.array([np.linalg.norm(weights[i]) for i in which])
    np.testing.assert_array_equal(projection, dot / length)
    np.testing.assert_array_equal(cosine, dot / (np.sqrt((flat * flat).sum(axis=1)) * length))
    assert np.isfinite(cosine).sum() > 300 and np.isnan(cosine).any()


def test_numbers_of_a_hit_are_the_same_bits_among_any_others():
    rng = np.random.default_rng(3)
    motifs = [Motif("a", "", rng.dirichlet([1.0] * 4, size=w).T) for w in (7, 19)]
    rows = [
        (m, s, a, a + (7, 19)[m], 1)
        for m, s, a in zip(
            rng.integers(0, 2, 300), rng.choice(["+", "-"], 300), rng.integers(0, 900, 300)
        )
    ]
    hits = make_hits(rows)
    hypothetical = rng.normal(size=(4, 1000)).astype(np.float32)
    fitted = matrices(*motifs)
    cosine, projection = hit_fits(hits, hypothetical, fitted)
    total = hit_attributions(hits, hypothetical[:2])
    for i in range(0, 300, 7):
        alone = hit_fits(hits[i : i + 1], hypothetical, fitted)
        np.testing.assert_array_equal(np.ravel(alone), [cosine[i], projection[i]])
        one = hit_attributions(hits[i : i + 1], hypothetical[:2])
        np.testing.assert_array_equal(one[:, 0], total[:, i])
        near = slice(hits["start"][i] - 3 if hits["start"][i] > 3 else 0, None)
        cut = hit_fits(hits[i : i + 2], hypothetical[:, near], fitted, near.start)
        assert cut[0][0] == cosine[i] and cut[1][0] == projection[i]


def test_the_best_fit_takes_the_span_strand_blind():
    hits = make_hits(
        [
            (0, "+", 0, 10, 1e-5),
            (1, "-", 5, 15, 1e-7),
            (0, "+", 14, 20, 1e-5),
            (0, "+", 15, 21, 1e-5),
        ]
    )
    keep = resolve_overlaps(hits, np.array([0.5, 0.9, 0.8, 0.7]), ["a", "b"])
    assert keep.tolist() == [False, True, False, True]
    two = resolve_overlaps(hits, np.array([0.5, 0.9, 0.8, 0.7]), ["a", "b"], np.array([0, 1, 2, 2]))
    assert two.tolist() == [True, True, True, False]
    assert resolve_overlaps(hits[:0], np.empty(0), ["a"]).shape == (0,)


def test_ties_go_to_p_then_name_and_unknown_fits_come_last():
    hits = make_hits([(0, "+", 0, 10, 1e-5), (1, "+", 0, 10, 1e-6), (2, "-", 0, 10, 1e-6)])
    assert resolve_overlaps(hits, np.full(3, 0.5), ["z", "y", "x"]).tolist() == [False, False, True]
    assert resolve_overlaps(hits, np.full(3, np.nan), ["z", "y", "x"])[2]
    assert resolve_overlaps(hits, np.array([-0.9, np.nan, np.nan]), ["z", "y", "x"])[0]


def test_of_two_strands_that_are_alike_the_plus_one_is_kept():
    hits = make_hits([(0, "-", 4, 14, 1e-5), (0, "+", 4, 14, 1e-5), (0, "+", 3, 13, 1e-5)])
    assert resolve_overlaps(hits[:2], np.full(2, 0.5), ["a"]).tolist() == [False, True]
    assert resolve_overlaps(hits, np.full(3, 0.5), ["a"]).tolist() == [False, False, True]


def test_resolution_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(2)
    starts = rng.integers(0, 300, 200)
    hits = make_hits(
        [
            (m, s, a, a + 8, p)
            for m, s, a, p in zip(
                rng.integers(0, 3, 200), rng.choice(["+", "-"], 200), starts, rng.random(200)
            )
        ]
    )
    cosine = np.round(rng.random(200), 1)
    keep = resolve_overlaps(hits, cosine, ["a", "b", "c"])
    order = rng.permutation(200)
    np.testing.assert_array_equal(
        keep[order], resolve_overlaps(hits[order], cosine[order], ["a", "b", "c"])
    )
    kept = np.sort(hits[keep]["start"])
    assert (np.diff(kept) >= 8).all()  # no overlap is left
    for row in np.flatnonzero(~keep):  # and each dropped hit meets a better one that was kept
        meets = keep & (np.abs(hits["start"] - hits["start"][row]) < 8)
        assert cosine[meets].max() >= cosine[row]
