"""Sums over the matches of many copies are those of scans of each copy by itself."""

import numpy as np
import pytest

from cisweep.analysis.motifs.copies import prepare_copies
from cisweep.analysis.motifs.families import shuffled_columns
from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.markov_background import MarkovBackground
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.genome.motifs import Motif

RNG = np.random.default_rng(6)
MOTIFS = [
    Motif(f"m{w}", "", RNG.dirichlet([0.3] * 4, size=w).T) for w in (1, 2, 7, 8, 11, 19, 40)
] + [Motif("flat", "", np.full((4, 6), 0.25))] * 2
WORDS = {a + b: 10 + 30 * (a == b) + 5 * (a < b) for a in "ACGT" for b in "ACGT"}
OPTIONS = {
    "uniform": {"background": np.full(4, 0.25)},
    "rich in A and T": {"background": np.array([0.35, 0.15, 0.15, 0.35]), "threshold": 1e-2},
    "fine bins, beyond a byte": {"background": np.full(4, 0.25), "bin_size": 0.01},
    "one strand": {"background": np.full(4, 0.25), "reverse_complement": False},
    "chain": {"background": MarkovBackground.of_counts(WORDS), "threshold": 1e-3},
}


def sums_by_hand(motifs, tokens, own, tracks, options) -> list[tuple[int, float]]:
    """Number and sum of the matches of scans of each copy, of each track, match by match."""
    found = []
    hits = scan_tokens(prepare_motifs(motifs, **options), tokens)
    hits = hits[own[hits["start"]]]
    for track in tracks:
        count, total = np.zeros(len(motifs), int), np.zeros(len(motifs))
        for hit in hits:
            value = float(sum(track[hit["start"] : hit["end"]].tolist()))  # base by base
            if np.isfinite(value):
                count[hit["motif_idx"]] += 1
                total[hit["motif_idx"]] += np.rint(value * 2.0**24) / 2.0**24
        found.append((count, total))
    return found


@pytest.mark.parametrize("length", [0, 5, 300, 8192, 20_011])
@pytest.mark.parametrize("name", OPTIONS)
def test_the_sums_are_those_of_a_scan_of_each_copy(name, length):
    options = OPTIONS[name]
    rng = np.random.default_rng(length)
    tokens = rng.integers(0, 4, length).astype(np.uint8)
    tokens[rng.random(length) < 0.01] = 4
    own = np.arange(length) // 50 % 3 > 0
    tracks = rng.normal(size=(2, length))
    tracks[1, : length // 4] = np.nan
    copies = prepare_copies(MOTIFS, prepare_motifs(MOTIFS, **options), 4, 9, options)
    shuffled = [c for m in MOTIFS for c in shuffled_columns(m, 4, 9)]
    assert len(copies) == len(shuffled)
    wanted = sums_by_hand(shuffled, tokens, own, tracks, options)
    for portable in (False, True):
        for sums, (count, total) in zip(
            copies.sums(tokens, own, tracks, portable=portable), wanted, strict=True
        ):
            np.testing.assert_array_equal(sums.count, count)
            np.testing.assert_array_equal(sums.total, total)
    if length > 20_000:
        assert wanted[0][0].sum() > 10 and wanted[1][0].sum() < wanted[0][0].sum()


def test_a_copy_that_can_have_no_match_has_none():
    options = {"background": np.full(4, 0.25)}
    motifs = [Motif("flat", "", np.full((4, 6), 0.25)), MOTIFS[3]]
    copies = prepare_copies(motifs, prepare_motifs(motifs, **options), 3, 1, options)
    tokens = RNG.integers(0, 4, 300_000).astype(np.uint8)
    (sums,) = copies.sums(tokens, np.ones(len(tokens), bool), np.ones((1, len(tokens))))
    assert (copies.limit[:3] == -1).all() and not sums.count[:3].any() and sums.count[3:].any()
