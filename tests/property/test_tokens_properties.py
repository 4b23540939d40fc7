"""What holds for every sequence of tokens."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cisweep.sequence.tokens import (
    decode_tokens,
    mono_shuffle_tokens,
    reverse_complement_tokens,
    shuffle_tokens,
    tokenize,
)

sequences = st.text("ACGTN", max_size=120)
seeds = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=9)


def runs(letters: str) -> list[str]:
    return [run for run in letters.split("N") if run]


def pairs(run: str) -> list[str]:
    return sorted(a + b for a, b in zip(run, run[1:]))


@given(sequences)
def test_decoding_inverts_encoding(letters):
    assert decode_tokens(tokenize(letters)) == letters
    assert (tokenize(letters.lower()) == tokenize(letters)).all()


@given(sequences)
def test_reverse_complement_is_an_involution(letters):
    tokens = tokenize(letters)
    complement = letters[::-1].translate(str.maketrans("ACGT", "TGCA"))
    assert decode_tokens(reverse_complement_tokens(tokens)) == complement
    assert (reverse_complement_tokens(reverse_complement_tokens(tokens)) == tokens).all()


@given(sequences, seeds)
def test_dinucleotide_shuffles_keep_ends_counts_and_n(letters, seeds):
    shuffles = shuffle_tokens(tokenize(letters)[None], np.array([seeds], np.uint64))[0]
    for row in shuffles:
        shuffled = decode_tokens(row)
        assert [i for i, c in enumerate(shuffled) if c == "N"] == [
            i for i, c in enumerate(letters) if c == "N"
        ]
        for before, after in zip(runs(letters), runs(shuffled), strict=True):
            assert (before[0], before[-1]) == (after[0], after[-1])
            assert pairs(before) == pairs(after)


@given(sequences, seeds)
def test_plain_shuffles_keep_counts_and_n(letters, seeds):
    for row in mono_shuffle_tokens(tokenize(letters)[None], np.array([seeds], np.uint64))[0]:
        shuffled = decode_tokens(row)
        assert len(shuffled) == len(letters)
        assert [sorted(r) for r in shuffled.split("N")] == [sorted(r) for r in letters.split("N")]


@given(sequences, seeds)
def test_a_shuffle_depends_on_its_sequence_and_seed_alone(letters, seeds):
    tokens = tokenize(letters)
    together = shuffle_tokens(tokens[None], np.array([seeds], np.uint64))[0]
    for seed, row in zip(seeds, together):
        alone = shuffle_tokens(tokens[None], np.array([[seed]], np.uint64))
        assert (alone[0, 0] == row).all()
