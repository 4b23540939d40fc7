"""Motif scanning against brute force over all words, a plain NumPy twin, and memelite."""

import itertools

import numpy as np
import pytest

from cisweep.analysis.motifs.fimo import count_tests, fimo, has_avx2, scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs


def random_motifs(rng: np.random.Generator, widths) -> dict[str, np.ndarray]:
    """Sharp and flat columns, some with zeros."""
    out = {}
    for i, width in enumerate(widths):
        pwm = rng.dirichlet([0.3] * 4, size=width).T
        pwm[:, rng.random(width) < 0.3] = 0.25
        pwm[pwm < 0.02] = 0
        out[f"m{i}"] = pwm / pwm.sum(axis=0)
    return out


def integer_matrix(pwm, background, bin_size=0.1, eps=1e-4) -> np.ndarray:
    """The definition: rounded bins of log2((p + eps) / background), (4, width)."""
    weights = np.log2(pwm + eps) - np.log2(np.asarray(background))[:, None]
    return np.round(weights / bin_size).astype(int)


def exact_p_values(bins, background) -> dict[int, float]:
    """P(score >= s) of every reachable score, by writing out all 4^w words."""
    width = bins.shape[1]
    words = np.array(list(itertools.product(range(4), repeat=width)))
    scores = bins[words, np.arange(width)].sum(axis=1)
    chance = np.asarray(background)[words].prod(axis=1)
    reached, which = np.unique(scores, return_inverse=True)
    each = np.array([chance[which == i].sum() for i in range(len(reached))])
    tail = np.array([each[i:].sum() for i in range(len(each))])
    return dict(zip(reached.tolist(), tail.tolist()))


def twin(model, motifs, tokens) -> list[tuple]:
    """All hits by definition: every window, both strands, no tables."""
    hits = []
    for m, pwm in enumerate(motifs.values()):
        bins = integer_matrix(pwm, model.background, model.bin_size)
        p_of = exact_p_values(bins, model.background)
        width = bins.shape[1]
        for start in range(len(tokens) - width + 1):
            window = tokens[start : start + width]
            if (window > 3).any():
                continue
            for strand, word in (("+", window), ("-", 3 - window[::-1])):
                score = int(bins[word, np.arange(width)].sum())
                if p_of[score] < model.threshold:
                    hits.append((start, m, strand, start + width, score, p_of[score]))
    return sorted(hits)


@pytest.mark.parametrize("background", [(0.25,) * 4, (0.31, 0.19, 0.19, 0.31)])
@pytest.mark.parametrize("threshold", [1e-4, 5e-3, 0.2])
def test_every_hit_and_p_value_of_brute_force(background, threshold):
    rng = np.random.default_rng(1)
    motifs = random_motifs(rng, [1, 2, 3, 5, 6, 7, 7, 8, 8])
    motifs["sharp"] = np.eye(4)[rng.integers(0, 4, 8)].T * 0.97 + 0.0075
    tokens = rng.integers(0, 4, 3000).astype(np.uint8)
    tokens[rng.integers(0, 3000, 20)] = 4
    tokens[1000:1200] = 4
    for i, pwm in enumerate(motifs.values()):  # hits for the strictest threshold, both strands
        best = pwm.argmax(axis=0).astype(np.uint8)
        tokens[20 * i : 20 * i + len(best)] = best
        tokens[2000 + 20 * i : 2000 + 20 * i + len(best)] = 3 - best[::-1]
    model = prepare_motifs(motifs, background=background, threshold=threshold)
    hits = scan_tokens(model, tokens)
    expected = twin(model, motifs, tokens)
    assert len(expected) > 0
    found = [(int(h["start"]), int(h["motif_idx"]), str(h["strand"]), int(h["end"])) for h in hits]
    assert found == [e[:4] for e in expected]
    np.testing.assert_allclose(hits["score"], [e[4] * 0.1 for e in expected], atol=1e-9)
    np.testing.assert_allclose(hits["p_value"], [e[5] for e in expected], rtol=1e-12)


def test_cells_hold_all_reportable_p_values():
    rng = np.random.default_rng(2)
    motifs = random_motifs(rng, [4, 6, 8])
    model = prepare_motifs(motifs, threshold=0.05)
    for m, pwm in enumerate(motifs.values()):
        bins = integer_matrix(pwm, model.background)
        for score, p in exact_p_values(bins, model.background).items():
            if p < 0.05:
                (cell,) = model.cells(np.array([m]), np.array([score * 0.1]))
                assert model.p_value[cell] == pytest.approx(p, rel=1e-12)


def test_portable_code_and_threads_give_the_same_bytes():
    if not has_avx2():
        pytest.skip("this machine has no AVX2: only the portable code runs")
    rng = np.random.default_rng(3)
    motifs = random_motifs(rng, list(range(1, 41)))
    tokens = rng.integers(0, 4, 600_001).astype(np.uint8)
    tokens[rng.random(len(tokens)) < 0.001] = 4
    for bin_size in (0.1, 0.003):  # the second divides losses to make them fit 8 bits
        model = prepare_motifs(motifs, bin_size=bin_size)
        hits = scan_tokens(model, tokens)
        assert len(hits) > 1000
        np.testing.assert_array_equal(hits, scan_tokens(model, tokens, portable=True))
        np.testing.assert_array_equal(hits, scan_tokens(model, tokens, n_threads=3))


def test_wide_motifs_with_fine_bins_against_the_definition():
    """Limits far above 8 bits: every window of a random sequence, scores by definition."""
    rng = np.random.default_rng(4)
    motifs = random_motifs(rng, [19, 33])
    tokens = rng.integers(0, 4, 60_000).astype(np.uint8)
    model = prepare_motifs(motifs, bin_size=0.01, threshold=1e-3)
    assert model.tables.limit.max() > 1000
    hits = scan_tokens(model, tokens)
    for m, pwm in enumerate(motifs.values()):
        bins = integer_matrix(pwm, model.background, 0.01)
        width = bins.shape[1]
        windows = np.lib.stride_tricks.sliding_window_view(tokens, width)
        for strand, words in (("+", windows), ("-", 3 - windows[:, ::-1])):
            scores = bins[words, np.arange(width)].sum(axis=1)
            lowest = model.best_bins[m] - model.tables.limit[2 * m]
            ours = hits[(hits["motif_idx"] == m) & (hits["strand"] == strand)]
            np.testing.assert_array_equal(ours["start"], np.flatnonzero(scores >= lowest))
            np.testing.assert_allclose(
                ours["score"], scores[scores >= lowest] * 0.01, rtol=0, atol=1e-9
            )
    share = len(hits) / count_tests(model, tokens).sum()
    # Random sequence: as many hits as the p-value says. Of 240,000 tests 240 are expected; a fifth
    # is three of their standard deviations.
    assert 0.8e-3 < share < 1.2e-3


def test_jaspar_on_a_real_chromosome_against_the_definition(shared_data):
    """All 1,019 matrices where chr20 leaves its first gap; a sample of them by definition."""
    from cisweep.genome.fasta import Genome
    from cisweep.genome.motifs import load_motifs

    motifs = load_motifs(shared_data / "jaspar" / "JASPAR2026_CORE_vertebrates_nr.meme")
    genome = Genome(shared_data / "human_chr20" / "chr20.fa.gz")
    tokens = genome.tokens(next(iter(genome.lengths)), 50_000, 90_000)
    assert (tokens == 4).sum() == 10_000
    model = prepare_motifs(motifs, background=(0.28, 0.22, 0.22, 0.28), threshold=1e-3)
    hits = scan_tokens(model, tokens)
    for m in range(0, 1019, 60):
        bins = integer_matrix(motifs[m].pwm, model.background)
        width = bins.shape[1]
        windows = np.lib.stride_tricks.sliding_window_view(tokens, width)
        known = (windows < 4).all(axis=1)
        lowest = model.best_bins[m] - (np.diff(model.cell_offset)[m] - 1)
        for strand, words in (("+", windows), ("-", 3 - windows[:, ::-1])):
            scores = bins[np.where(words < 4, words, 0), np.arange(width)].sum(axis=1)
            expected = np.flatnonzero(known & (scores >= lowest))
            ours = hits[(hits["motif_idx"] == m) & (hits["strand"] == strand)]
            np.testing.assert_array_equal(ours["start"], expected)
            np.testing.assert_allclose(ours["score"], scores[expected] * 0.1, atol=1e-9)


def test_memelite_misses_hits_that_brute_force_finds():
    """memelite 0.5 compares unrounded scores with thresholds of rounded ones."""
    memelite = pytest.importorskip("memelite")
    rng = np.random.default_rng(5)
    motifs = random_motifs(rng, [8] * 6)
    tokens = rng.integers(0, 4, 20_000).astype(np.uint8)
    one_hot = np.eye(4, dtype=np.int8)[tokens].T[None]
    model = prepare_motifs(motifs, threshold=1e-3)
    ours, theirs = (
        {
            (row.motif_idx, row.start, row.strand): (row.score, p)
            for frame in run(motifs, one_hot, threshold=1e-3)
            for row, p in zip(frame.itertuples(), frame["p-value"])
        }
        for run in (fimo, memelite.fimo)
    )
    truth = {(m, start, strand): p for start, m, strand, _, _, p in twin(model, motifs, tokens)}
    assert set(ours) == set(truth)
    missed = [key for key in truth if key not in theirs]
    off = [k for k, (_, p) in theirs.items() if k in truth and abs(p / truth[k] - 1) > 1e-3]
    assert missed and off
    # Where both report a window, the scores differ by rounding alone: half a bin a column.
    for key in set(ours) & set(theirs):
        assert abs(ours[key][0] - theirs[key][0]) <= 8 * 0.05 + 1e-9


def test_same_frames_as_memelite_where_rounding_plays_no_role():
    """Weights that are whole bins: names, columns, order and dtypes are memelite's."""
    memelite = pytest.importorskip("memelite")
    rng = np.random.default_rng(6)
    motifs = {}
    for i in range(5):
        bins = rng.integers(-40, 15, size=(4, 9)) * 0.1
        motifs[f"x{i}"] = 2.0 ** (bins - 2) - 1e-4
    tokens = rng.integers(0, 4, (3, 4000)).astype(np.uint8)
    one_hot = np.eye(4, dtype=np.int8)[tokens].transpose(0, 2, 1)
    # memelite turns thresholds into float32: a hair below makes equal scores pass in both.
    for dim in (0, 1):
        ours, theirs = fimo(motifs, one_hot, dim=dim), memelite.fimo(motifs, one_hot, dim=dim)
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs):
            assert list(mine.columns) == list(other.columns)
            if len(mine) and len(other):
                assert (mine.dtypes == other.dtypes).all()
            key = ["motif_name", "motif_idx", "sequence_name", "start", "end", "strand"]
            both = mine[key].merge(other[key])
            assert len(both) >= 0.9 * len(other)  # equal scores may fall below in memelite
            shared = mine[mine[key].apply(tuple, axis=1).isin(other[key].apply(tuple, axis=1))]
            assert list(shared["start"]) == list(other["start"])
            np.testing.assert_allclose(shared["score"], other["score"], atol=1e-5)
