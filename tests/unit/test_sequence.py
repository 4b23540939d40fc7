"""The tensor functions of cisweep.sequence: messages, N, seeds, shapes at the edges."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from cisweep import sequence
from cisweep.errors import SequenceError
from cisweep.sequence.encoding import tokens_of
from cisweep.sequence.tokens import shuffle_seeds, shuffle_tokens


@pytest.fixture
def X():
    return sequence.random_one_hot((3, 4, 40), random_state=0)


def test_tokens_and_one_hot_are_inverse():
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (3, 17), dtype=np.uint8))
    for dtype in (torch.int8, torch.uint8, torch.bool, torch.float32, torch.bfloat16, torch.int64):
        X = sequence.one_hot_tokens(tokens, dtype)
        assert X.dtype == dtype
        assert X.shape == (3, 4, 17)
        assert torch.equal(tokens_of(X), tokens)
    assert sequence.one_hot_tokens(tokens[0]).shape == (4, 17)
    with pytest.raises(SequenceError, match=r"tokens have dtype torch.int64"):
        sequence.one_hot_tokens(tokens.long())


def test_tokens_of_names_what_is_no_one_hot(X):
    for value, dtype in (
        (2, torch.int8),
        (-1, torch.int8),
        (0.5, torch.float32),
        (float("nan"), torch.float32),
        (256.0, torch.float32),
    ):
        bad = X.to(dtype, copy=True)
        bad[1, 2, 7] = value
        with pytest.raises(SequenceError, match=r"example 1, position 7: X must be one-hot"):
            tokens_of(bad)
    two = X.clone()
    two[2, :, 9] = torch.tensor([1, 0, 1, 0])
    with pytest.raises(SequenceError, match=r"example 2, position 9: motif must be one-hot"):
        tokens_of(two, "motif")
    with pytest.raises(SequenceError, match=r"shape \(4, 40\) but must.*X.unsqueeze\(0\)"):
        tokens_of(X[0])
    with pytest.raises(SequenceError, match="must be a torch.Tensor, it is a ndarray"):
        tokens_of(X.numpy())


def test_encode_names_the_character_and_its_position():
    with pytest.raises(SequenceError, match=r"position 2 \(0-based\): Encountered character 'x'"):
        sequence.one_hot_encode("ACxG")
    with pytest.raises(SequenceError, match="Character A in the alphabet and also in the list"):
        sequence.one_hot_encode("AC", ignore=["A"])
    with pytest.raises(TypeError, match="sequence must be a str"):
        sequence.one_hot_encode(["A"])


def test_reverse_complement_takes_tokens():
    tokens = np.array([[0, 0, 1, 4]], np.uint8)
    assert sequence.reverse_complement(tokens).tolist() == [[4, 2, 3, 3]]
    with pytest.raises(SequenceError, match="'N' not in complement map"):
        sequence.reverse_complement(tokens, allow_N=False)
    with pytest.raises(SequenceError, match=r"position 1 \(0-based\): 'x' not in complement map"):
        sequence.reverse_complement("AxN")
    with pytest.raises(SequenceError, match=r"not shape \(5, 3\)"):
        sequence.reverse_complement(torch.zeros(5, 3))


def test_motif_batches_must_fit(X):
    motifs = sequence.random_one_hot((2, 4, 5), random_state=0)
    with pytest.raises(SequenceError, match="motif has a batch of 2 where X has 3"):
        sequence.substitute(X, motifs)
    with pytest.raises(SequenceError, match="motifs is empty"):
        sequence.multisubstitute(X, [], 3)
    with pytest.raises(SequenceError, match=r"use 0 to 36"):
        sequence.substitute(X, "ACGT", start=37)


def test_substitutes_of_tokens_are_those_of_one_hot(X):
    tokens = tokens_of(X)
    tokens[1, 3:30] = 4
    one_hot = sequence.one_hot_tokens(tokens, torch.int8)
    each = sequence.random_one_hot((3, 4, 5), random_state=1)
    each[2, :, 1] = 0
    for motif, start in (("GATNACA", None), ("ACGT", 36), (each, 4)):
        found = sequence.substitute(tokens, motif, start=start)
        assert torch.equal(found, tokens_of(sequence.substitute(one_hot, motif, start=start)))
        assert found.dtype == torch.uint8 and not torch.equal(found, tokens)
    found = sequence.multisubstitute(tokens, ["ACG", each], 7)
    assert torch.equal(found, tokens_of(sequence.multisubstitute(one_hot, ["ACG", each], 7)))
    found = sequence.shuffle(tokens, 2, 30, n=2, random_state=0)
    expected = sequence.shuffle(one_hot, 2, 30, n=2, random_state=0).flatten(0, 1)
    assert torch.equal(found.flatten(0, 1), tokens_of(expected))


def test_substitutes_of_tokens_name_what_is_no_token(X):
    tokens = tokens_of(X)
    tokens[2, 9] = 7
    with pytest.raises(SequenceError, match="example 2, position 9: X has the token 7"):
        sequence.substitute(tokens, "ACGT")
    with pytest.raises(SequenceError, match="motif has a batch of 2 where X has 3"):
        sequence.substitute(tokens_of(X), X[:2])


def test_insert_can_append(X):
    longer = sequence.insert(X, "ACGT", start=40)
    assert torch.equal(longer[:, :, :40], X)
    assert sequence.characters(longer[0, :, 40:]) == "ACGT"


def test_edits_keep_dtype(X):
    for dtype in (torch.int8, torch.float32, torch.float64):
        Y = X.to(dtype)
        for edited in (
            sequence.substitute(Y, "ACGT"),
            sequence.insert(Y, "ACGT"),
            sequence.multisubstitute(Y, ["AC", "GT"], 2),
            sequence.delete(Y, 2, 5),
            sequence.randomize(Y, 2, 5),
            sequence.shuffle(Y),
            sequence.dinucleotide_shuffle(Y, n=2),
        ):
            assert edited.dtype == dtype


@pytest.mark.parametrize("wrong", [1.0, "3", None, torch.tensor(2.5), [2]])
def test_positions_are_integers(X, wrong):
    kind = type(wrong).__name__
    said = rf"is .*a {kind}\. Mend: give an integer"
    if wrong is not None:  # of `start` the middle
        for edit in (sequence.substitute, sequence.insert):
            with pytest.raises(SequenceError, match=f"start {said}"):
                edit(X, "ACG", start=wrong)
        with pytest.raises(SequenceError, match=f"start {said}"):
            sequence.multisubstitute(X, ["ACG", "T"], 2, start=wrong)
        with pytest.raises(SequenceError, match=f"start {said}"):
            sequence.substitute(tokens_of(X), "ACG", start=wrong)
    with pytest.raises(SequenceError, match=f"a spacing {said}"):
        sequence.multisubstitute(X, ["ACG", "T"], [wrong])
    for edit in (
        sequence.delete, sequence.randomize, sequence.shuffle, sequence.dinucleotide_shuffle
    ):  # fmt: skip
        with pytest.raises(SequenceError, match=f"start {said}"):
            edit(X, wrong, 9)
        with pytest.raises(SequenceError, match=f"end {said}"):
            edit(X, 2, wrong)
    for draw in (sequence.randomize, sequence.shuffle, sequence.dinucleotide_shuffle):
        with pytest.raises(SequenceError, match=f"n {said}"):
            draw(X, 2, 9, n=wrong)


def test_integers_of_other_libraries_are_positions(X):
    wanted = sequence.delete(sequence.substitute(X, "ACG", start=4), 2, 9)
    for integer in (np.int64, np.uint8, torch.tensor):
        edited = sequence.substitute(X, "ACG", start=integer(4))
        assert torch.equal(sequence.delete(edited, integer(2), integer(9)), wanted)


@pytest.mark.parametrize("n", [0, -1])
def test_no_draws_are_an_error(X, n):
    for draw in (sequence.randomize, sequence.shuffle):
        with pytest.raises(SequenceError, match=f"n is {n}. Mend: give 1 or more"):
            draw(X, 2, 9, n=n)


@pytest.mark.parametrize(
    "probs", [[0.5] * 4, [0.5, 0.5, 0.5, -0.5], [float("nan")] * 4, [0.0] * 4, [float("inf")] * 4]
)
def test_probs_are_a_distribution(X, probs):
    with pytest.raises(SequenceError, match="positive or zero and must sum to 1"):
        sequence.randomize(X, 2, 9, probs=[probs])
    with pytest.raises(SequenceError, match="positive or zero and must sum to 1"):
        sequence.random_one_hot((3, 4, 5), probs=[probs])


def test_probs_must_fit():
    with pytest.raises(SequenceError, match=r"probs has shape \(1, 3\)"):
        sequence.random_one_hot((2, 4, 5), probs=[0.5, 0.25, 0.25])
    with pytest.raises(SequenceError, match="must sum to 1"):
        sequence.random_one_hot((2, 4, 5), probs=[0.5, 0.25, 0.25, 0.1])


def test_sequence_i_uses_random_state_plus_i(X):
    together = sequence.dinucleotide_shuffle(X, n=4, random_state=7)
    for i in range(3):
        alone = sequence.dinucleotide_shuffle(X[i : i + 1], n=4, random_state=7 + i)
        assert torch.equal(alone[0], together[i])
    listed = sequence.dinucleotide_shuffle(X, n=4, random_state=[7, 8, 9])
    assert torch.equal(listed, together)
    one = sequence.dinucleotide_shuffle(X, n=1, random_state=7)
    assert torch.equal(one[:, 0], together[:, 0])
    assert torch.equal(sequence.dinucleotide_shuffle(X, n=4, random_state=7, n_jobs=2), together)


def test_dinucleotide_shuffle_is_the_token_shuffle_of_its_seeds(X):
    seeds = shuffle_seeds(np.array([7, 8, 9]), 4)
    tokens = shuffle_tokens(tokens_of(X).numpy(), seeds)
    shuffled = sequence.dinucleotide_shuffle(X, n=4, random_state=7)
    assert torch.equal(tokens_of(shuffled.flatten(0, 1)).view(3, 4, 40), torch.from_numpy(tokens))


def test_shuffle_seeds_differ_and_do_not_depend_on_n():
    seeds = shuffle_seeds(np.arange(-50, 50), 20)
    assert len(np.unique(seeds)) == seeds.size
    assert (shuffle_seeds(np.arange(-50, 50), 3) == seeds[:, :3]).all()


def test_n_is_refused_or_kept_in_place(X):
    X[1, :, 5:8] = 0
    with pytest.raises(SequenceError, match=r"example 1, position 5: X .* unknown char.* \(N\)"):
        sequence.dinucleotide_shuffle(X)
    shuffled = sequence.dinucleotide_shuffle(X, n=5, random_state=0, allow_N=True)
    assert torch.equal(shuffled.sum(2) == 0, (X.sum(1) == 0)[:, None].expand(3, 5, 40))
    assert torch.equal(shuffled[1, ..., 4], X[1, :, 4].expand(5, 4))
    assert torch.equal(shuffled[1, ..., 8], X[1, :, 8].expand(5, 4))


def test_dinucleotide_shuffle_names_what_cannot_be_shuffled(X):
    X[2] = sequence.one_hot_encode("A" * 40)
    with pytest.raises(SequenceError, match="example 2: All dinucleotide shuffles yield identical"):
        sequence.dinucleotide_shuffle(X, random_state=0)
    assert sequence.dinucleotide_shuffle(X, n=1, random_state=0).shape == (3, 1, 4, 40)


def test_verbose_warns_of_conserved_positions():
    X = sequence.one_hot_encode("GACCATTACATTCA").unsqueeze(0)
    with pytest.warns(UserWarning, match="At least one position in dinucleotide shuffle"):
        sequence.dinucleotide_shuffle(X, n=3, random_state=0, verbose=True)


@pytest.mark.parametrize("shuffle", ["shuffle", "dinucleotide_shuffle"])
def test_only_the_span_is_shuffled(X, shuffle):
    shuffled = getattr(sequence, shuffle)(X, 10, 30, n=3, random_state=0)
    assert torch.equal(shuffled[..., :10], X[:, None, :, :10].expand(3, 3, 4, 10))
    assert torch.equal(shuffled[..., 30:], X[:, None, :, 30:].expand(3, 3, 4, 10))
    assert not torch.equal(shuffled[:, 0], X)
    with pytest.raises(SequenceError, match=r"falling off the edge of X: \[10, 41\) in 40 bases"):
        getattr(sequence, shuffle)(X, 10, 41)
    with pytest.raises(SequenceError, match="End must come after start: start 9, end 3"):
        getattr(sequence, shuffle)(X, 9, 3)


def test_names_are_listed_and_loaded_lazily():
    for name in sequence.__all__:
        assert callable(getattr(sequence, name))
    with pytest.raises(AttributeError, match="no attribute 'tokenise'"):
        _ = sequence.tokenise
    code = "import sys, cisweep.sequence as s; s.tokenize('A'); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
