"""On shuffled sequence peaks, seqlets and hits keep the rate that is asked for.

Five dinucleotide shuffles of the demo's genome, the demo's config and model (`shuffled_genome`).
Nothing is there, so every call is false, and the share of false calls in a family of tests is 1 if
anything is called and 0 if not. Its mean, the false discovery rate, is therefore how often anything
is called, over seeds and families: targets for peaks, targets and signs for seqlets, motifs for
hits. It must be at most 1.5 times the rate: a margin that was asked for, not one that is derived.
Of 20 families at a rate of 0.2 chance keeps within it in 91 % (of 10 in 88 %), and of a procedure
that gives twice the rate in 25 %; seeds are fixed. So a failure after a change of any draw asks for
more seeds before it asks for a fault, and what it tells for sure is a rate of three times and more.

The windows of a run are selected first. Selected at a rate, the steps behind inherit it: where no
window is, nothing is called. Selected as the strongest, whatever they are, windows of shuffled
sequence hold what the model reads by chance, and a null of shuffled windows, which nobody selected,
does not know that; so those rates are "given the selection" where they are shown.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from shuffled_genome import SIGNS, TARGETS, Attributed, Swept, genome_tokens, shuffled

from cisweep.sequence.tokens import tokenize

pytestmark = pytest.mark.slow

SEEDS = range(5)
RATES = [0.1, 0.2]
SITE = "TGGCCACCAGGGGGCGCTA"
STRONGEST = 30
"""Peaks of each target that are selected without a rate, of some 1,300 local maxima."""


@pytest.fixture(scope="module")
def tokens(resources):
    return genome_tokens(resources)


@pytest.fixture(scope="module")
def without_signal(tokens, root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("no signal")
    return [Swept.of(shuffled(tokens, seed), folder / str(seed), root) for seed in SEEDS]


# ---- selected at a rate ------------------------------------------------------------------


@pytest.mark.parametrize("fdr", RATES)
def test_without_signal_the_share_of_false_peaks_is_within_the_rate(without_signal, fdr):
    shares, maxima, selected = [], 0, 0
    for swept in without_signal:
        summary = swept.peaks(fdr=fdr).summary
        shares += (summary["n_selected"] > 0).astype(float).tolist()
        maxima += summary["n_maxima"].sum()
        selected += summary["n_selected"].sum()
    assert maxima > 10_000  # which would all have been candidates
    assert np.mean(shares) <= 1.5 * fdr
    # Some for each family that a rate lets pass; p-values in place of q would select `fdr` of the
    # maxima, 1,000 and more.
    assert selected <= 10


def test_without_signal_seqlets_and_hits_are_within_the_rate_of_the_peaks(without_signal):
    """Each target's windows by themselves: its seqlets of both signs, and any motif's hits."""
    shares = {fdr: ([], []) for fdr in RATES}
    for swept in without_signal:
        for target in TARGETS:
            known = {}  # one null of the windows, for both rates
            for fdr, (seqlets, hits) in shares.items():
                windows, found = swept.selected([target], fdr=fdr), {}
                if len(windows):
                    key = tuple(windows.keys())
                    if key not in known:
                        null = swept.own_null(windows, min(RATES))
                        known[key] = swept.attributed(windows), null
                    found = swept.seqlets(*known[key], fdr, among=windows)
                seqlets += [found.get((target, sign), 0) > 0 for sign in SIGNS]
                hits.append(len(windows) > 0 and (swept.hits(windows)["q_value"] <= fdr).any())
    for fdr, (seqlets, hits) in shares.items():
        assert len(seqlets) == 20 and np.mean(seqlets) <= 1.5 * fdr
        assert len(hits) == 10 and np.mean(hits) <= 1.5 * fdr


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_without_signal_p_values_are_uniform(without_signal, level):
    p = np.concatenate([
        swept.nulls[target].p_values(swept.peaks([target], top_n=10**6).peaks["prediction"])
        for swept in without_signal
        for target in TARGETS
    ])  # fmt: skip
    assert level / 1.5 <= (p <= level).mean() <= 1.5 * level


def test_planted_sites_are_found_at_the_rate(tokens, root, tmp_path):
    shares, found = [], 0
    site, n = tokenize(SITE), 30
    for seed in SEEDS:
        planted, rng = shuffled(tokens, 100 + seed), np.random.default_rng(seed)
        # Far apart, and with two bases in which the site differs, so that some are weak.
        places = 5_000 + 16_000 * np.arange(n) + rng.integers(0, 5_000, n)
        for place in places:
            planted[place : place + len(site)] = site
            planted[place + rng.choice(len(site), 2, replace=False)] = rng.integers(0, 4, 2)
        ctcf = Swept.of(planted, tmp_path / str(seed), root).selected(["ctcf"], fdr=0.2)
        true = [((s < places) & (places + len(site) < e)).any()
                for s, e in zip(ctcf.start, ctcf.end)]  # fmt: skip
        shares.append(1 - np.mean(true) if len(true) else 0.0)
        found += sum(true)
    assert np.mean(shares) <= 1.5 * 0.2
    assert found > len(SEEDS) * n / 2  # calling nothing would hold the rate too


# ---- not selected: every window ----------------------------------------------------------


@pytest.mark.parametrize("fdr", RATES)
def test_without_signal_hits_of_all_windows_are_within_the_rate(without_signal, fdr):
    shares, pooled, n = [], [], 0
    for swept in without_signal:
        hits = swept.hits(swept.windows)
        called = hits[hits["q_value"] <= fdr]["motif_idx"].nunique()
        shares.append(called / len(swept.motifs))
        pooled.append((hits["q_value_pooled"] <= fdr).any())
        n += len(hits)
    assert n > 100_000
    assert np.mean(shares) <= 1.5 * fdr and np.mean(pooled) <= 1.5 * fdr


# ---- the strongest windows, whatever they are ---------------------------------------------


@pytest.fixture(scope="module")
def strongest(without_signal):
    """The strongest windows of each genome, as `select: {fdr: null, top_n: …}` takes them."""
    return [swept.attributed(swept.selected(top_n=STRONGEST)) for swept in without_signal]


@pytest.mark.parametrize("fdr", RATES)
def test_against_windows_selected_the_same_way_seqlets_are_within_the_rate(
    without_signal, strongest, fdr
):
    """The null of one genome: the strongest windows of the four others."""
    found = []
    for i, (swept, own) in enumerate(zip(without_signal, strongest)):
        null = Attributed.pooled([other for k, other in enumerate(strongest) if k != i])
        found += [n > 0 for n in swept.seqlets(own, null, fdr).values()]
    assert np.mean(found) <= 1.5 * fdr


@pytest.mark.parametrize("fdr", RATES)
def test_hits_in_the_strongest_windows_are_within_the_rate_of_each_motif(
    without_signal, strongest, fdr
):
    """Over motifs: selection touches those that the model reads, which are few of a thousand."""
    shares = []
    for swept, own in zip(without_signal, strongest):
        hits = swept.hits(own.windows)
        shares.append(hits[hits["q_value"] <= fdr]["motif_idx"].nunique() / len(swept.motifs))
    assert np.mean(shares) <= 1.5 * fdr


def test_shuffled_copies_of_selected_windows_are_no_null_of_the_selection(
    without_signal, strongest
):
    """Why the rate of seqlets is given the selection: without this, the words could go."""
    swept, own = without_signal[0], strongest[0]
    found = swept.seqlets(own, swept.own_null(own.windows, 0.2), 0.2, among=own.windows)
    assert np.mean([n > 0 for n in found.values()]) > 1.5 * 0.2
