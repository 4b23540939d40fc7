"""Letters, one-hot arrays and the share of G and C of tokens, by hand."""

import numpy as np

from cisweep.bases import gc_share, one_hot, text_of


def test_letters_of_tokens():
    assert text_of(np.array([0, 1, 2, 3, 4], np.uint8)) == "ACGTN"
    assert text_of(np.uint8(4)) == "N"


def test_one_hot_has_channels_before_positions_and_zeros_for_n():
    found = one_hot(np.array([[3, 4], [0, 2]], np.uint8), np.int8)
    assert found.dtype == np.int8
    assert found.tolist() == [
        [[0, 0], [0, 0], [0, 0], [1, 0]],
        [[1, 0], [0, 0], [0, 1], [0, 0]],
    ]
    np.testing.assert_array_equal(
        one_hot(np.array([1, 4], np.uint8)), [[0, 0], [1, 0], [0, 0], [0, 0]]
    )


def test_the_share_of_g_and_c_is_of_known_bases():
    tokens = np.array([[1, 2, 0, 4], [4, 4, 4, 4], [0, 3, 3, 0]], np.uint8)
    np.testing.assert_allclose(gc_share(tokens), [2 / 3, 0, 0])
    assert gc_share(np.array([2, 4], np.uint8)) == 1
