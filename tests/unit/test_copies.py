"""Copies made ready together are those that are made ready one by one."""

import numpy as np
import pytest

from cisweep.analysis.motifs.copies import prepare_copies
from cisweep.analysis.motifs.families import shuffled_columns
from cisweep.analysis.motifs.fimo import match_places, scan_tokens
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


@pytest.mark.parametrize("name", OPTIONS)
def test_the_tables_are_those_of_each_copy_by_itself(name):
    options = OPTIONS[name]
    copies = [c for m in MOTIFS for c in shuffled_columns(m, 4, 9)]
    wanted = prepare_motifs(copies, **options)
    found = prepare_copies(MOTIFS, prepare_motifs(MOTIFS, **options), 4, 9, options)
    for field, values in vars(wanted.tables).items():
        got = getattr(found.tables, field)
        np.testing.assert_array_equal(got, values, err_msg=field)
        assert got.dtype == values.dtype and got.flags.c_contiguous, field
    np.testing.assert_array_equal(found.widths, wanted.widths)
    assert (found.threshold, found.n_strands) == (wanted.threshold, wanted.n_strands)


def test_their_matches_are_those_of_a_scan():
    options = OPTIONS["rich in A and T"]
    tokens = RNG.integers(0, 5, 30_000).astype(np.uint8)
    copies = [c for m in MOTIFS for c in shuffled_columns(m, 3, 1)]
    wanted = scan_tokens(prepare_motifs(copies, **options), tokens, own=(100, 20_000))
    found = prepare_copies(MOTIFS, prepare_motifs(MOTIFS, **options), 3, 1, options)
    motif, start = match_places(found, tokens, 100, 20_000)
    pairs = zip(wanted["motif_idx"].tolist(), wanted["start"].tolist())
    assert sorted(zip(motif.tolist(), start.tolist())) == sorted(pairs) and len(start) > 1000
