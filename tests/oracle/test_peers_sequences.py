"""Gapped k-mers and local shuffles: by hand, and against tangermeme 1.6."""

import inspect
from collections import Counter, defaultdict
from itertools import combinations

import numpy as np
import pytest
import torch
from tangermeme import ersatz, kmers
from torch import nn

from cisweep import sequence
from cisweep.errors import SequenceError
from cisweep.sequence.encoding import tokens_of


def bases(n: int, length: int, seed: int = 0, with_n: bool = True) -> torch.Tensor:
    tokens = np.random.default_rng(seed).integers(0, 5 if with_n else 4, (n, length))
    return nn.functional.one_hot(torch.from_numpy(tokens), 5)[:, :, :4].transpose(1, 2).float()


def test_the_peers_arguments():
    for ours, theirs in (
        (sequence.gapped_kmers, kmers.gapped_kmers),
        (sequence.local_dinucleotide_shuffle, ersatz.local_dinucleotide_shuffle),
    ):
        wanted = dict(inspect.signature(theirs).parameters)
        wanted.pop("return_packed", None)  # of its class PackedSequence
        found = inspect.signature(ours).parameters
        assert list(found) == list(wanted)
        assert [p.default for p in found.values()] == [p.default for p in wanted.values()]


def by_hand(X, scores, min_k, max_k, max_gap, max_len, chosen):
    """Return of each sequence the sum of the mean scores of each gapped k-mer."""
    found = [defaultdict(float) for _ in X]
    for row, x in enumerate(X):
        letters = [int(c.argmax()) + 1 if c.sum() else 0 for c in x.T]
        for start in range(len(letters)):
            reach = range(start + 1, min(start + max_len, len(letters)))
            for k in range(min_k, max_k + 1):
                for rest in combinations(reach, k - 1):
                    at = (start, *rest)
                    near = all(b - a <= max_gap for a, b in zip(at, rest))
                    if near and all(letters[p] and p in chosen[row] for p in at):
                        column = sum(letters[p] * 5 ** (p - start) for p in at)
                        found[row][column] += sum(float(scores[row, p]) for p in at) / k
    return found


SIZES = [(4, 8, 2, 10), (2, 3, 1, 4), (1, 2, 3, 5), (3, 3, 4, 6)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("max_pos", [None, 12])
def test_gapped_kmers_are_those_by_hand(sizes, max_pos):
    X = bases(3, 24, seed=1)
    scores = torch.from_numpy(np.random.default_rng(2).normal(size=(3, 24)))
    min_k, max_k, max_gap, max_len = sizes
    found = sequence.gapped_kmers(X, scores, *sizes, max_gkmers=10**6, max_pos=max_pos)
    assert found.shape == (3, 5**max_len)
    chosen = [set(row[:max_pos]) for row in np.argsort(-scores.numpy(), axis=1).tolist()]
    for row, wanted in zip(found, by_hand(X, scores, *sizes, chosen)):
        assert sorted(row.indices.tolist()) == sorted(wanted)
        np.testing.assert_allclose(row.data, [wanted[c] for c in row.indices.tolist()], atol=1e-12)
        assert (np.diff(np.abs(row.data)) <= 0).all()


@pytest.mark.parametrize("sizes", [s for s in SIZES if s[0] > 1], ids=str)
@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("most", [5, 20])  # with fewer k-mers than that theirs fails
def test_gapped_kmers_are_those_of_the_peer(sizes, scored, most):
    X = bases(4, 30, seed=3, with_n=False)
    scores = torch.from_numpy(np.random.default_rng(4).normal(size=(4, 30))) if scored else None
    found = sequence.gapped_kmers(X, scores, *sizes, max_gkmers=most)
    theirs = kmers.gapped_kmers(X, scores, *sizes, max_gkmers=most)
    assert abs(found - theirs).max() < 1e-12 and found.nnz > 10


def test_gapped_kmers_say_what_is_wrong():
    X = bases(2, 12)
    with pytest.raises(SequenceError, match=r"scores have shape \(2, 11\), not \(2, 12\)"):
        sequence.gapped_kmers(X, torch.zeros(2, 11))
    with pytest.raises(SequenceError, match="max_len is 28. Mend: give at most 27"):
        sequence.gapped_kmers(X, max_len=28)
    with pytest.raises(SequenceError, match="min_k is 9 and max_k 8. Mend: give min_k <= max_k"):
        sequence.gapped_kmers(X, min_k=9)
    with pytest.raises(SequenceError, match="more than 65536 arrangements.*smaller max_gap"):
        sequence.gapped_kmers(X, max_k=20, max_gap=9, max_len=26)
    with pytest.raises(SequenceError, match="max_gap is 0"):
        sequence.gapped_kmers(X, max_gap=0)
    assert sequence.gapped_kmers(X[:0]).shape == (0, 5**10)


def bins_of_the_peer(length, n_rows, bin_size, least, seed):
    rng = np.random.RandomState(seed)
    for _ in range(n_rows):
        found = ersatz._local_bins(rng, length, bin_size, least)
        for _ in found:
            rng.randint(0, 2**31 - 1)
        yield found


@pytest.mark.parametrize(
    ("length", "bin_size", "least"), [(200, 50, 20), (101, 100, 1), (120, 40, 20)]
)
def test_bins_keep_their_dinucleotides(length, bin_size, least):
    X = bases(3, length, seed=5, with_n=False)
    options = {"n": 4, "bin_size": bin_size, "min_bin_size": least, "random_state": 7}
    found = sequence.local_dinucleotide_shuffle(X, **options)
    assert found.shape == (3, 4, 4, length) and found.dtype == X.dtype
    rows = tokens_of(found.flatten(0, 1)).tolist()
    peers = tokens_of(ersatz.local_dinucleotide_shuffle(X, **options).flatten(0, 1)).tolist()
    given = tokens_of(X).repeat_interleave(4, dim=0).tolist()
    all_bins = list(bins_of_the_peer(length, 12, bin_size, least, seed=7))
    for row, peer, before, bins in zip(rows, peers, given, all_bins):
        assert row != before
        for start, end in bins:
            pairs = Counter(zip(before[start : end - 1], before[start + 1 : end]))
            for after in (row, peer):
                assert Counter(zip(after[start : end - 1], after[start + 1 : end])) == pairs
                assert (after[start], after[end - 1]) == (before[start], before[end - 1])
    assert len({tuple(map(tuple, bins)) for bins in all_bins}) > 1 or length == 101
    again = sequence.local_dinucleotide_shuffle(X, **options)
    assert torch.equal(found, again)


def test_what_cannot_be_shuffled_is_told():
    X = bases(1, 60, seed=6, with_n=False)
    X[:, :, 10:] = torch.eye(4)[0][:, None]
    options = {"n": 5, "bin_size": 10, "min_bin_size": 5, "random_state": 0}
    with pytest.warns(UserWarning, match=r"\d+ of \d+ bins came back as they were.*bin_size"):
        found = sequence.local_dinucleotide_shuffle(X, **options)
    assert torch.equal(found[0, :, :, 20:], X.expand(5, 4, 60)[:, :, 20:])
    with pytest.warns(UserWarning, match="a position is the same in all shuffles"):
        sequence.local_dinucleotide_shuffle(X, verbose=True, **options)
    with pytest.raises(SequenceError, match="bin_size is 60, and the sequences have 60 bases"):
        sequence.local_dinucleotide_shuffle(X, bin_size=60)
    with pytest.raises(SequenceError, match="min_bin_size is 11, and bin_size 10"):
        sequence.local_dinucleotide_shuffle(X, bin_size=10, min_bin_size=11)
    X[0, :, 3] = 0
    with pytest.raises(SequenceError, match="position 3.*unknown characters"):
        sequence.local_dinucleotide_shuffle(X, bin_size=10, min_bin_size=5)
