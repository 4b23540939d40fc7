"""q-values against scipy on all p-values; merged cells against the whole list."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from cisweep.analysis.motifs.fimo import count_tests, fimo, scan_tokens
from cisweep.analysis.motifs.qvalues import bh_qvalues, cell_qvalues, count_hits
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.errors import MotifError


def test_equal_to_scipy_when_every_test_is_given():
    rng = np.random.default_rng(0)
    p = np.round(rng.random(500) ** 3, 2)  # with ties
    np.testing.assert_allclose(bh_qvalues(p, len(p)), false_discovery_control(p), rtol=1e-12)


def test_counts_are_repeated_p_values():
    rng = np.random.default_rng(1)
    p, counts = rng.random(30), rng.integers(0, 5, 30)
    q = bh_qvalues(p, 1000, counts)
    repeated = bh_qvalues(np.repeat(p, counts), 1000)
    np.testing.assert_allclose(np.repeat(q, counts), repeated, rtol=1e-12)


def test_tests_that_gave_no_p_value_count():
    # Two of ten tests: q1 = min(0.001 * 10 / 1, 0.02 * 10 / 2), q2 = 0.02 * 10 / 2.
    np.testing.assert_allclose(bh_qvalues(np.array([0.02, 0.001]), 10), [0.1, 0.01])
    assert bh_qvalues(np.empty(0), 0).shape == (0,)
    with pytest.raises(MotifError, match="2 p-values come from 1 tests"):
        bh_qvalues(np.array([0.1, 0.2]), 1)


def test_merged_tiles_give_the_q_values_of_the_whole():
    rng = np.random.default_rng(2)
    motifs = {f"m{w}": rng.dirichlet([0.3] * 4, size=w).T for w in (6, 8, 11)}
    model = prepare_motifs(motifs, threshold=2e-3)
    tokens = rng.integers(0, 4, 20_000).astype(np.uint8)
    counts = tests = 0
    for start in range(0, 20_000, 3000):
        tile = tokens[start : start + 3000 + model.overlap_bp]
        own = (0, min(3000, 20_000 - start))
        counts = counts + count_hits(model, scan_tokens(model, tile, own=own))
        tests = tests + count_tests(model, tile, own=own)
    hits = scan_tokens(model, tokens)
    per_motif, pooled = cell_qvalues(model, counts, tests).of(hits["motif_idx"], hits["score"])
    np.testing.assert_allclose(pooled, bh_qvalues(hits["p_value"], tests.sum()), rtol=1e-12)
    for m, width in enumerate((6, 8, 11)):
        rows = hits["motif_idx"] == m
        # The definition, with every test that is no hit at p = 1.
        p = np.ones(2 * (20_000 - width + 1))
        p[: rows.sum()] = hits["p_value"][rows]
        expected = false_discovery_control(p)[: rows.sum()]
        np.testing.assert_allclose(per_motif[rows], expected, rtol=1e-12)


def test_fimo_adds_q_values_over_all_sequences():
    rng = np.random.default_rng(3)
    motifs = {f"m{w}": rng.dirichlet([0.3] * 4, size=w).T for w in (6, 8)}
    one_hot = np.eye(4)[rng.integers(0, 4, (3, 2000))].transpose(0, 2, 1)
    frames = fimo(motifs, one_hot, threshold=1e-3, q_values=True)
    n_tests = [3 * 2 * (2000 - w + 1) for w in (6, 8)]
    p_all = np.concatenate([f["p-value"] for f in frames])
    q_all = np.concatenate([f["q-value_pooled"] for f in frames])
    np.testing.assert_allclose(q_all, bh_qvalues(p_all, sum(n_tests)), rtol=1e-12)
    for frame, n in zip(frames, n_tests):
        assert len(frame) > 3
        np.testing.assert_allclose(frame["q-value"], bh_qvalues(frame["p-value"], n), rtol=1e-12)
