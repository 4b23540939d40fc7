"""Any tiling gives each hit and each test once; any portable run the same bytes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.analysis.motifs.fimo import count_tests, scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs

RNG = np.random.default_rng(0)
MOTIFS = {f"m{w}": RNG.dirichlet([0.5] * 4, size=w).T for w in (3, 6, 9, 14, 21)}
MODEL = prepare_motifs(MOTIFS, threshold=5e-3)


@st.composite
def sequences(draw):
    seed, length = draw(st.integers(0, 10_000)), draw(st.integers(0, 2000))
    share_n = draw(st.sampled_from([0, 0.01, 0.3]))
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, 4, length).astype(np.uint8)
    tokens[rng.random(length) < share_n] = 4
    return tokens


@settings(max_examples=60, deadline=None)
@given(sequences(), st.lists(st.integers(0, 2000), max_size=6))
def test_tiles_with_the_overlap_give_every_hit_once(tokens, cuts):
    length = len(tokens)
    bounds = sorted({0, length, *(c for c in cuts if c < length)})
    whole, tests = scan_tokens(MODEL, tokens), count_tests(MODEL, tokens)
    parts, summed = [], np.zeros_like(tests)
    for start, stop in zip(bounds[:-1], bounds[1:]):
        tile = tokens[start : stop + MODEL.overlap_bp]
        parts.append(scan_tokens(MODEL, tile, own=(0, stop - start), offset=start))
        summed += count_tests(MODEL, tile, own=(0, stop - start))
    joined = np.concatenate(parts) if parts else whole
    np.testing.assert_array_equal(joined, whole)
    np.testing.assert_array_equal(summed, tests)


@settings(max_examples=60, deadline=None)
@given(sequences())
def test_portable_code_gives_the_same(tokens):
    np.testing.assert_array_equal(
        scan_tokens(MODEL, tokens), scan_tokens(MODEL, tokens, portable=True)
    )


@settings(max_examples=60, deadline=None)
@given(sequences())
def test_tests_are_the_windows_without_n(tokens):
    for width, n_tests in zip(MODEL.widths.tolist(), count_tests(MODEL, tokens).tolist()):
        starts = range(len(tokens) - width + 1)
        assert n_tests == 2 * sum((tokens[i : i + width] < 4).all() for i in starts)
