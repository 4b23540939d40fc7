"""Convolutions over letters against torch's conv1d in float64."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.engine.convolution.one_hot import LetterConvolution, pays


def letters(seed, n, n_in, length, share_n=0.1):
    generator = torch.Generator().manual_seed(seed)
    x = F.one_hot(torch.randint(0, n_in, (n, length), generator=generator), n_in).float()
    x[torch.rand(n, length, generator=generator) < share_n] = 0
    return x.transpose(1, 2).contiguous()


def check(x, seed, n_out, width, pad, dilation, has_bias=True):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(n_out, x.shape[1], width, generator=generator)
    bias = torch.randn(n_out, generator=generator) if has_bias else None
    found = LetterConvolution(weight, pad, dilation)(x, bias)
    bias = None if bias is None else bias.double()
    wanted = F.conv1d(x.double(), weight.double(), bias, padding=pad, dilation=dilation)
    assert found.shape == wanted.shape and found.dtype == torch.float32 and found.stride(1) == 1
    assert (found - wanted).abs().max() <= 1e-6 * wanted.abs().max().clamp(min=1)


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 3),
    n_in=st.integers(1, 6),
    n_out=st.integers(1, 150),
    width=st.integers(1, 25),
    dilation=st.integers(1, 5),
    n_positions=st.integers(1, 80),
    padded=st.floats(0, 1),
    has_bias=st.booleans(),
    channels_last=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equal_to_the_definition(
    n, n_in, n_out, width, dilation, n_positions, padded, has_bias, channels_last, seed
):
    reach = dilation * (width - 1)
    pad = min(int(padded * reach), (n_positions + reach - 1) // 2)
    x = letters(seed, n, n_in, n_positions + reach - 2 * pad)
    if channels_last:
        x = x.transpose(1, 2).contiguous().transpose(1, 2)
    check(x, seed, n_out, width, pad, dilation, has_bias)


def test_any_numbers_have_the_result_of_the_definition():
    x = letters(0, 3, 4, 200)
    x[1] = torch.randn(4, 200, generator=torch.Generator().manual_seed(0))
    x[2] *= -2.5
    check(x, 0, 64, 21, 10, 1)


def test_a_window_has_the_same_bits_in_any_batch_and_with_any_threads():
    x, weight = letters(0, 5, 4, 300), torch.randn(48, 4, 19)
    convolve = LetterConvolution(weight, 9, 1)
    whole = convolve(x)
    alone = torch.cat([convolve(x[i : i + 1]) for i in range(5)])
    torch.set_num_threads(3)
    threaded = convolve(x)
    assert torch.equal(whole, alone) and torch.equal(whole, threaded)


def test_nan_reaches_what_reads_it():
    x = letters(0, 1, 4, 50)
    x[0, 2, 20] = torch.nan
    found = LetterConvolution(torch.randn(16, 4, 3), 1, 1)(x)[0]
    assert found[:, 19:22].isnan().all() and found.isnan().sum() == 48


@pytest.mark.parametrize(
    ("sizes", "taken"), [((64, 4), True), ((8, 4), False), ((64, 5), False), ((64, 2), False)]
)
def test_it_is_taken_for_letters_alone(sizes, taken):
    assert pays(*sizes) is taken
