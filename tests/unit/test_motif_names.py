"""Names of found motifs and filters: random patterns get one at the rate that is asked."""

from dataclasses import replace

import numpy as np
import pytest

from cisweep.analysis.motifs.names import name_motifs, random_patterns
from cisweep.genome.fasta import load_fasta
from cisweep.genome.motifs import load_motifs

LENGTH, RATE, N = 200, 0.05, 100


@pytest.fixture(scope="module")
def tokens(resources):
    """300 windows of the demo's genome without N, at random places."""
    source = load_fasta(resources / "genome/chr20_0_1Mb.fa.gz")
    starts = np.random.default_rng(1).integers(60_000, 990_000, 400).tolist()
    found = [source.tokens("chr20", s, s + LENGTH) for s in starts]
    return np.array([t for t in found if (t < 4).all()][:300])


@pytest.fixture(scope="module")
def jaspar(resources):
    return load_motifs(resources / "motifs/JASPAR2026_CORE_vertebrates_nr.meme")


def averages(tokens, rng):
    """Means of 40 spans around a random one, each base kept in a share of them drawn for it."""
    for _ in range(N):
        width = int(rng.integers(8, 20))
        row, start = int(rng.integers(len(tokens))), int(rng.integers(LENGTH - width))
        kept = rng.random((40, width)) < rng.uniform(0.5, 0.95, width)
        others = tokens[rng.integers(0, len(tokens), 40), :width]
        spans = np.where(kept, tokens[row, start : start + width], others)
        yield np.stack([(spans == base).mean(axis=0) for base in range(4)])


def shuffles(motifs, rng):
    """Matrices of motifs that are not among the known ones, their columns in random order."""
    for motif in [m for m in motifs[2::5] if m.width >= 8][:N]:
        yield motif.pwm[:, rng.permutation(motif.width)]


@pytest.mark.parametrize("kind", ["averages", "shuffles"])
def test_random_patterns_get_a_name_at_the_rate_that_is_asked(tokens, jaspar, kind):
    rng, known = np.random.default_rng(2), jaspar[::5]
    patterns = list(averages(tokens, rng) if kind == "averages" else shuffles(jaspar, rng))
    found = name_motifs(patterns, known, tokens, seed=3)
    share = found.is_named(RATE).mean()
    # The rate, and 2.6 standard deviations of 100 patterns.
    assert share <= RATE + 2.6 * np.sqrt(RATE * (1 - RATE) / N)
    plain = (found.matches.q_value[:, 0] <= RATE).mean()
    if kind == "shuffles":  # what Tomtom's q-value lets pass does not hold the rate here
        assert plain > RATE
    assert plain > share


def test_known_motifs_keep_their_names(tokens, jaspar):
    """In bits and a little duller, as patterns of seqlets are."""
    known = jaspar[::5]
    mine = known[:40]
    found = name_motifs([0.8 * m.pwm + 0.05 for m in mine], known, tokens, nearest=2)
    # Chosen: four of 40 may be told less well, as simple ones are, or have a sister among the known
    # ones that is as close after dulling. A name by chance comes in one of twenty.
    assert found.is_named(RATE).mean() >= 0.9
    assert (found.matches.motif_idx[:, 0] == np.arange(40)).mean() >= 0.9
    assert found.matches.motif_idx.shape == (40, 2)
    # None of 99 is as close: the pattern itself is counted. The rate itself is allowed.
    assert found.name_p_value.min() == 1 / 100
    assert replace(found, name_p_value=np.full(40, RATE)).is_named(RATE).all()


def test_what_is_as_close_counts(tokens, jaspar):
    """Equal columns are the same in every order, so the name says nothing."""
    pattern = np.repeat([[0.85], [0.05], [0.05], [0.05]], 8, axis=1)
    found = name_motifs([pattern], jaspar[::5], tokens)
    assert found.name_p_value.tolist() == [1.0]


def test_random_patterns_are_as_certain_and_of_the_sequences(tokens):
    rng = np.random.default_rng(0)
    pattern = rng.dirichlet([0.3] * 4, 9).T
    made = random_patterns(pattern, tokens, 20, np.random.default_rng(1))
    assert len(made) == 20
    words = {bytes(t) for row in tokens for t in np.lib.stride_tricks.sliding_window_view(row, 9)}
    # Sequences of the pattern's own width are spans of it.
    assert len(random_patterns(pattern, tokens[:, :9], 20, np.random.default_rng(1))) == 20
    for each in made:
        np.testing.assert_array_equal(np.sort(each, axis=0), np.sort(pattern, axis=0))
        assert bytes(each.argmax(axis=0).astype(np.uint8)) in words


def test_patterns_without_a_span_have_no_name(jaspar):
    pattern = jaspar[0].pwm
    for tokens in (np.full((3, 50), 4, np.uint8), np.zeros((3, 4), np.uint8)):
        found = name_motifs([pattern], jaspar[:30], tokens)
        assert found.name_p_value.tolist() == [1.0] and not found.is_named(RATE).any()


def test_names_depend_on_the_seed_alone(tokens, jaspar):
    patterns = list(averages(tokens, np.random.default_rng(5)))[:4]
    first, again, other = (
        name_motifs(patterns, jaspar[:40], tokens, seed=s).name_p_value for s in (0, 0, 1)
    )
    assert (first == again).all() and (first != other).any()
