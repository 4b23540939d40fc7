"""cisweep.sequence against tangermeme 1.6.0: same values, shapes, dtypes, and errors."""

import numpy as np
import pytest
import torch

from cisweep import sequence
from cisweep.sequence.tokens import tokenize

ersatz = pytest.importorskip("tangermeme.ersatz")
utils = pytest.importorskip("tangermeme.utils")


@pytest.fixture
def X():
    X = utils.random_one_hot((4, 4, 31), random_state=0)
    X[1, :, 3:6] = 0
    return X


def same(ours, theirs):
    assert torch.equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def both_raise(name, *args, **kwargs):
    theirs = getattr(ersatz, name, None) or getattr(utils, name)
    with pytest.raises(ValueError):
        theirs(*args, **kwargs)
    with pytest.raises(sequence_error()):
        getattr(sequence, name)(*args, **kwargs)


def sequence_error():
    from cisweep.errors import SequenceError

    return SequenceError


@pytest.mark.parametrize("letters", ["ACGTN", "", "NNN", "TTGACCANNA"])
def test_encoding_and_letters(letters):
    same(sequence.one_hot_encode(letters), utils.one_hot_encode(letters))
    X = utils.one_hot_encode(letters, dtype=torch.float32)
    same(sequence.one_hot_encode(letters, dtype=torch.float32), X)
    same(sequence.one_hot_tokens(torch.from_numpy(tokenize(letters).copy())), X)
    if letters:
        assert sequence.characters(X, allow_N=True) == utils.characters(X, allow_N=True) == letters
        assert sequence.characters(X, force=True) == utils.characters(X, force=True)


def test_encoding_of_another_alphabet():
    args = {"alphabet": list("AB*"), "ignore": ["x", "y"]}
    same(sequence.one_hot_encode("AB*xyA", **args), utils.one_hot_encode("AB*xyA", **args))
    both_raise("one_hot_encode", "ABC", **args)
    both_raise("one_hot_encode", "AB", alphabet=["A", "B"], ignore=["B"])


@pytest.mark.parametrize("letters", ["ACx", "acgt", "AC-", "Aé"])
def test_encoding_refuses_the_same_letters(letters):
    both_raise("one_hot_encode", letters)


def test_letters_of_probabilities():
    pwm = np.random.default_rng(0).dirichlet(np.ones(4), 12).T
    assert sequence.characters(pwm) == utils.characters(pwm)
    both_raise("characters", torch.full((4, 3), 0.25))
    both_raise("characters", torch.zeros(3, 4))
    both_raise("characters", torch.zeros(2, 4, 3))


@pytest.mark.parametrize(
    "probs",
    [
        None,
        [0.1, 0.2, 0.3, 0.4],
        [[0.1, 0.2, 0.3, 0.4]],
        np.random.default_rng(0).dirichlet(np.ones(4), 5),
    ],
)
def test_random_one_hot_is_the_same_for_a_seed(probs):
    ours = sequence.random_one_hot((5, 4, 40), probs=probs, random_state=3)
    same(ours, utils.random_one_hot((5, 4, 40), probs=probs, random_state=3))
    both_raise("random_one_hot", (4, 40))
    both_raise("random_one_hot", [5, 4, 40])


def test_reverse_complement(X):
    assert sequence.reverse_complement("ACCNT") == utils.reverse_complement("ACCNT") == "ANGGT"
    same(sequence.reverse_complement(X[1]), utils.reverse_complement(X[1]))
    same(sequence.reverse_complement(X), torch.stack([utils.reverse_complement(x) for x in X]))
    both_raise("reverse_complement", "ACX")
    both_raise("reverse_complement", "acg")
    both_raise("reverse_complement", "ACN", allow_N=False)


@pytest.mark.parametrize("start", [None, 0, 7, 26])
@pytest.mark.parametrize("motif", ["GGATC", "GNNTC", "per example", "one"])
def test_substitute_and_insert(X, motif, start):
    if motif == "per example":
        motif = utils.random_one_hot((4, 4, 5), random_state=1)
    elif motif == "one":
        motif = utils.random_one_hot((1, 4, 5), random_state=1)
    same(sequence.substitute(X, motif, start=start), ersatz.substitute(X, motif, start=start))
    if isinstance(motif, torch.Tensor) or "N" not in motif:
        same(sequence.insert(X, motif, start=start), ersatz.insert(X, motif, start=start))
    else:
        both_raise("insert", X, motif, start=start)


def test_substitute_leaves_its_input_alone(X):
    before = X.clone()
    for edit in (
        lambda: sequence.substitute(X, "GGGG"),
        lambda: sequence.randomize(X, 2, 9, n=2),
        lambda: sequence.shuffle(X, n=2),
        lambda: sequence.dinucleotide_shuffle(X, n=2, allow_N=True),
    ):
        edit()
        assert torch.equal(X, before)


@pytest.mark.parametrize("spacing", [0, 3, [2, 0], [0, 5]])
@pytest.mark.parametrize("start", [None, 0, 2])
def test_multisubstitute(X, spacing, start):
    motifs = ["GGA", utils.random_one_hot((4, 4, 4), random_state=1), "TNT"]
    same(
        sequence.multisubstitute(X, motifs, spacing, start=start),
        ersatz.multisubstitute(X, motifs, spacing, start=start),
    )


def test_delete(X):
    same(sequence.delete(X, 4, 9), ersatz.delete(X, 4, 9))


@pytest.mark.parametrize("probs", [None, [[0.7, 0.1, 0.1, 0.1]], torch.full((4, 4), 0.25)])
def test_randomize_is_the_same_for_a_seed(X, probs):
    args = {"n": 3, "random_state": 5} | ({} if probs is None else {"probs": probs})
    same(sequence.randomize(X, 4, 20, **args), ersatz.randomize(X, 4, 20, **args))


@pytest.mark.parametrize("span", [(0, -1), (3, 20), (2, -5)])
def test_shuffle_is_the_same_for_a_seed(X, span):
    args = {"n": 3, "random_state": 5}
    same(sequence.shuffle(X, *span, **args), ersatz.shuffle(X, *span, **args))


@pytest.mark.parametrize("span", [(0, -1), (3, 20), (2, -5)])
@pytest.mark.parametrize("dtype", [torch.int8, torch.float32])
def test_dinucleotide_shuffle_has_the_same_shape_and_invariants(span, dtype):
    X = utils.random_one_hot((4, 4, 31), random_state=0).to(dtype)
    ours = sequence.dinucleotide_shuffle(X, *span, n=3, random_state=1)
    theirs = ersatz.dinucleotide_shuffle(X, *span, n=3, random_state=1)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype

    def counts(Y):
        return torch.einsum("nkal,nkbl->nkab", Y[..., :-1].double(), Y[..., 1:].double())

    assert torch.equal(counts(ours), counts(theirs))
    same(ours[..., 0], theirs[..., 0])
    same(ours[..., -1], theirs[..., -1])


def test_tangermeme_does_not_reach_all_euler_trails():
    # Why the numbers differ from the reference: it keeps each base's last successor. By brute
    # force (test_shuffle_kernel.all_trails) this sequence has 24 trails.
    X = utils.one_hot_encode("ACAGATCCGA").unsqueeze(0)
    ours, theirs = (
        {sequence.characters(x) for x in module.dinucleotide_shuffle(X, n=3000, random_state=0)[0]}
        for module in (sequence, ersatz)
    )
    assert len(ours) == 24
    assert theirs < ours


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("substitute", ("A" * 40,), {}),
        ("substitute", ("ACGT",), {"start": -1}),
        ("substitute", ("ACGT",), {"start": 28}),
        ("substitute", ("AC-T",), {}),
        ("substitute", (torch.ones(1, 4, 3),), {}),
        ("substitute", (torch.zeros(1, 5, 3),), {}),
        ("insert", ("ACGT",), {"start": -1}),
        ("insert", ("ACGT",), {"start": 40}),
        ("insert", (torch.zeros(1, 4, 3),), {}),
        ("multisubstitute", (["AC", "GT"], "3"), {}),
        ("multisubstitute", (["AC", "GT"], [1, 2]), {}),
        ("multisubstitute", (["AC", "GT"], -1), {}),
        ("multisubstitute", (["AC", "GT"], 31), {}),
        ("multisubstitute", (["A" * 20, "C" * 20], 2), {}),
        ("delete", (-1, 3), {}),
        ("delete", (5, 5), {}),
        ("delete", (5, 32), {}),
        ("randomize", (5, 5), {}),
        ("randomize", (5, 32), {}),
        ("randomize", (-1, 5), {}),
        ("randomize", (1, 5), {"probs": [[0.5, 0.1, 0.1, 0.1]]}),
        ("shuffle", (5, 5), {}),
        ("shuffle", (5, 32), {}),
        ("dinucleotide_shuffle", (), {"random_state": 0.5}),
        ("dinucleotide_shuffle", (), {"random_state": [1, 2]}),
    ],
)
def test_the_same_arguments_are_refused(X, name, args, kwargs):
    both_raise(name, X, *args, **kwargs)


@pytest.mark.parametrize("name", ["substitute", "insert"])
@pytest.mark.parametrize(
    "bad", [torch.ones(2, 4, 9), torch.full((2, 4, 9), 0.25), np.zeros((2, 4, 9)), "ACGT"]
)
def test_what_is_no_one_hot_is_refused(name, bad):
    both_raise(name, bad, "AC")


def test_dinucleotide_shuffle_refuses_n_and_the_unshuffleable():
    X = utils.one_hot_encode("ACGTNACGATGC").unsqueeze(0)
    both_raise("dinucleotide_shuffle", X)
    both_raise("dinucleotide_shuffle", utils.one_hot_encode("A" * 12).unsqueeze(0), n=2)
