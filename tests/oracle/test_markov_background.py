"""The first-order background against brute force over all words, and against drawn sequence."""

import itertools

import numpy as np
import pytest

from cisweep.analysis.motifs.fimo import count_tests, fimo, scan_tokens
from cisweep.analysis.motifs.markov_background import DINUCLEOTIDES, MarkovBackground
from cisweep.analysis.motifs.score_distribution import background_from_counts, prepare_motifs
from cisweep.errors import MotifError

# CG rare, AA and TT frequent, as in vertebrates; the counts of one strand alone.
COUNTS = dict(zip(DINUCLEOTIDES, [98, 50, 70, 78, 72, 53, 10, 70, 59, 43, 52, 51, 66, 60, 73, 100]))
CHAIN = MarkovBackground.of_counts(COUNTS)


def drawn(rng, n):
    """Sequence of the chain, (n,) tokens."""
    steps, rows = rng.random(n), CHAIN.transition.cumsum(1).tolist()
    tokens = [0]
    for u in steps[1:].tolist():
        row = rows[tokens[-1]]
        tokens.append((u > row[0]) + (u > row[1]) + (u > row[2]))
    return np.array(tokens, np.uint8)


def chance(words):
    return CHAIN.share[words[:, 0]] * CHAIN.transition[words[:, :-1], words[:, 1:]].prod(axis=1)


def test_both_strands_have_one_chain():
    words = np.array(list(itertools.product(range(4), repeat=5)))
    np.testing.assert_allclose(chance(words), chance(3 - words[:, ::-1]), rtol=0.02)
    assert chance(words).sum() == pytest.approx(1)
    rows = CHAIN.share[:, None] * CHAIN.transition
    np.testing.assert_allclose(rows, rows[::-1, ::-1].T, rtol=0.02)


@pytest.mark.parametrize("width", [1, 2, 5, 7])
def test_p_values_are_those_of_all_words(width):
    rng = np.random.default_rng(width)
    pwm = rng.dirichlet([0.4] * 4, width).T
    model = prepare_motifs({"m": pwm}, background=CHAIN, threshold=0.9)
    words = np.array(list(itertools.product(range(4), repeat=width)))
    bins = np.rint((np.log2(pwm + 1e-4) - np.log2(CHAIN.share)[:, None]) / 0.1).astype(int)
    scores, each = bins[words, np.arange(width)].sum(axis=1), chance(words)
    checked = 0
    for score in np.unique(scores):
        p = each[scores >= score].sum()
        if p < 0.9:
            (cell,) = model.cells(np.array([0]), np.array([score * 0.1]))
            assert model.p_value[cell] == pytest.approx(p, rel=1e-12)
            checked += 1
    assert checked >= min(3, 4**width - 1)
    # The scores are those of the bases' frequencies alone.
    flat = prepare_motifs({"m": pwm}, background=CHAIN.share, threshold=0.9)
    np.testing.assert_array_equal(flat.best_bins, model.best_bins)
    np.testing.assert_array_equal(flat.tables.loss, model.tables.loss)


def test_a_chain_without_memory_is_the_background_of_order_0():
    share = np.array([0.3, 0.2, 0.2, 0.3])
    rng = np.random.default_rng(3)
    motifs = {f"m{w}": rng.dirichlet([0.4] * 4, w).T for w in (4, 9, 21)}
    chain = MarkovBackground(share, np.tile(share, (4, 1)))
    a, b = (prepare_motifs(motifs, background=x, threshold=1e-3) for x in (share, chain))
    np.testing.assert_array_equal(a.cell_offset, b.cell_offset)
    np.testing.assert_allclose(a.p_value, b.p_value, rtol=1e-12)


def test_as_many_hits_in_sequence_of_the_chain_as_the_p_values_say():
    tokens = drawn(np.random.default_rng(4), 600_000)
    words = ("TTTTTTAA", "CCGCGGAA", "AAAATTTT", "GCGCGCAT")
    motifs = {w: np.eye(4)[["ACGT".index(x) for x in w]].T * 0.8 + 0.05 for w in words}
    flat = background_from_counts(np.bincount(tokens, minlength=4))

    def shares(background):
        model = prepare_motifs(motifs, background=background, threshold=2e-3)
        found = np.bincount(scan_tokens(model, tokens)["motif_idx"], minlength=4)
        largest = np.array([model.p_value[b - 1] for b in model.cell_offset[1:]])
        return found / (largest * count_tests(model, tokens))

    # Of a word 1,600 to 2,100 hits are expected, those of a palindrome in pairs: a standard error
    # of at most sqrt(2 / 1,600) = 0.035, of which this is 3.4.
    np.testing.assert_allclose(shares(CHAIN), 1, atol=0.12)
    # Without memory: too many of AAAA, too few of CG, beyond twice the tolerance.
    off = shares(flat)
    assert off[[0, 2]].min() > 1.24 and off[[1, 3]].max() < 0.76


def test_fimo_takes_a_chain():
    tokens = drawn(np.random.default_rng(5), 3000)
    one_hot = np.eye(4)[tokens].T[None]
    pwm = np.eye(4)[[1, 2, 1, 2]].T * 0.8 + 0.05
    (with_chain,) = fimo({"m": pwm}, one_hot, background=CHAIN, threshold=0.01)
    (without,) = fimo({"m": pwm}, one_hot, background=CHAIN.share, threshold=0.01)
    both = with_chain.merge(without, on=["start", "strand", "score"])
    assert len(both) and (both["p-value_x"] < both["p-value_y"]).all()


def test_a_dinucleotide_that_never_occurs_is_an_error():
    with pytest.raises(MotifError, match=r"steps.hits.background.*never has CG"):
        MarkovBackground.of_counts(COUNTS | {"CG": 0})
