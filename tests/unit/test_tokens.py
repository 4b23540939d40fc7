"""Tokens: encoding, reverse complement, and the errors of the token functions."""

import subprocess
import sys

import numpy as np
import pytest

from cisweep.errors import SequenceError
from cisweep.sequence.tokens import (
    decode_tokens,
    mono_shuffle_tokens,
    reverse_complement_tokens,
    shuffle_tokens,
    tokenize,
)


def test_tokenize_reads_both_cases_and_every_iupac_letter():
    assert tokenize("ACGTacgt").tolist() == [0, 1, 2, 3] * 2
    assert tokenize("NRYSWKMBDHVnryswkmbdhv").tolist() == [4] * 22
    assert tokenize("").tolist() == []


@pytest.mark.parametrize("text", [b"ACN", bytearray(b"ACN"), memoryview(b"ACN"), "ACN"])
def test_tokenize_takes_text_and_bytes(text):
    tokens = tokenize(text)
    assert tokens.tolist() == [0, 1, 4]
    assert tokens.dtype == np.uint8


def test_tokenize_takes_a_list_of_one_length():
    assert tokenize(["AC", b"gn"]).tolist() == [[0, 1], [2, 4]]
    assert tokenize([]).shape == (0, 0)


@pytest.mark.parametrize("character", ["U", "-", "*", ">", "\n", " ", "@", "\x00", "é", "1"])
def test_tokenize_names_the_position_of_what_is_no_nucleotide(character):
    with pytest.raises(SequenceError, match=r"position 5 \(0-based\)") as caught:
        tokenize("ACGTN" + character + "AC*")
    assert repr(character) in str(caught.value)
    assert "Mend: use A C G T N" in str(caught.value)


def test_all_bytes_but_the_letters_are_refused():
    letters = {c for c in b"ACGTNRYSWKMBDHVacgtnryswkmbdhv"}
    for byte in range(256):
        if byte in letters:
            tokenize(bytes([byte]))
        else:
            with pytest.raises(SequenceError, match="not a letter of a nucleotide"):
                tokenize(bytes([byte]))


def test_tokenize_names_the_sequence_of_a_list():
    with pytest.raises(SequenceError, match=r"sequence 1, position 0 \(0-based\): '-'"):
        tokenize(["AC", "-C"])
    with pytest.raises(SequenceError, match="sequence 1: it has 3 bases where the first .* has 2"):
        tokenize(["AC", "ACG"])


def test_reverse_complement_works_along_the_last_axis():
    tokens = np.array([[[0, 0, 1, 4]], [[3, 2, 1, 0]]], np.uint8)
    assert reverse_complement_tokens(tokens).tolist() == [[[4, 2, 3, 3]], [[3, 2, 1, 0]]]
    with pytest.raises(SequenceError, match="int64"):
        reverse_complement_tokens(np.array([0, 1]))


def test_decode_refuses_a_batch():
    with pytest.raises(SequenceError, match=r"shape \(1, 2\)"):
        decode_tokens(np.zeros((1, 2), np.uint8))


@pytest.mark.parametrize("shuffle", [shuffle_tokens, mono_shuffle_tokens])
def test_shuffle_names_the_wrong_shape_and_dtype(shuffle):
    tokens = np.zeros((2, 5), np.uint8)
    with pytest.raises(SequenceError, match=r"tokens have shape \(5,\) and dtype uint8"):
        shuffle(tokens[0], np.zeros((1, 1), np.uint64))
    with pytest.raises(SequenceError, match="dtype float64"):
        shuffle(tokens.astype(float), np.zeros((2, 1), np.uint64))
    with pytest.raises(
        SequenceError, match=r"seeds have shape \(3, 1\).*use uint64 of shape \(2, n"
    ):
        shuffle(tokens, np.zeros((3, 1), np.uint64))
    with pytest.raises(SequenceError, match="dtype int64"):
        shuffle(tokens, np.zeros((2, 1), np.int64))


@pytest.mark.parametrize("shuffle", [shuffle_tokens, mono_shuffle_tokens])
def test_shuffle_gives_empty_results_for_empty_input(shuffle):
    assert shuffle(np.zeros((0, 5), np.uint8), np.zeros((0, 3), np.uint64)).shape == (0, 3, 5)
    assert shuffle(np.zeros((2, 5), np.uint8), np.zeros((2, 0), np.uint64)).shape == (2, 0, 5)
    assert shuffle(np.zeros((2, 0), np.uint8), np.zeros((2, 3), np.uint64)).shape == (2, 3, 0)


@pytest.mark.parametrize("threads", [2, 3, 50])
def test_threads_do_not_change_shuffles(threads):
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 5, (7, 90), dtype=np.uint8)
    seeds = rng.integers(0, 2**63, (7, 6), dtype=np.uint64)
    assert (shuffle_tokens(tokens, seeds, threads) == shuffle_tokens(tokens, seeds)).all()


def test_a_strided_view_is_shuffled_as_its_copy():
    tokens = np.random.default_rng(0).integers(0, 4, (4, 60), dtype=np.uint8)
    seeds = np.arange(8, dtype=np.uint64).reshape(4, 2)
    view = tokens[:, 10:40]
    assert (shuffle_tokens(view, seeds) == shuffle_tokens(view.copy(), seeds)).all()


def test_tokens_are_importable_without_torch():
    code = "import sys, cisweep.sequence.tokens; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
