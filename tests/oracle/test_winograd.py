"""Convolutions by Winograd against torch's conv1d in float64, by every variant that runs here."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.engine.convolution.winograd import WinogradConvolution, n_quads, pays, vector_floats

VARIANTS = [floats for floats in (8, 16) if floats <= vector_floats()]
needs_kernel = pytest.mark.skipif(not VARIANTS, reason="this processor has neither AVX2 nor more")


def example(seed, n, n_in, n_out, width, length):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, length, n_in, generator=generator).transpose(1, 2)
    weight = torch.randn(n_out, n_in, width, generator=generator) / (n_in * width) ** 0.5
    return x, weight, torch.randn(n_out, generator=generator)


def expected(x, weight, bias, pad, dilation):
    bias = None if bias is None else bias.double()
    return F.conv1d(x.double(), weight.double(), bias, padding=pad, dilation=dilation)


@needs_kernel
@settings(max_examples=150, deadline=None)
@given(
    floats=st.sampled_from(VARIANTS or [8]),
    n=st.integers(1, 3),
    n_in=st.integers(1, 70),
    n_out=st.integers(1, 140),
    width=st.integers(1, 12),
    dilation=st.integers(1, 40),
    n_positions=st.integers(1, 150),
    padded=st.floats(0, 1),
    has_bias=st.booleans(),
    channels_last=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equal_to_the_definition(
    floats, n, n_in, n_out, width, dilation, n_positions, padded, has_bias, channels_last, seed
):
    reach = dilation * (width - 1)
    pad = min(int(padded * reach), (n_positions + reach - 1) // 2)
    x, weight, bias = example(seed, n, n_in, n_out, width, n_positions + reach - 2 * pad)
    bias = bias if has_bias else None
    x = x if channels_last else x.contiguous()
    found = WinogradConvolution(weight, pad, dilation, floats)(x, bias)
    wanted = expected(x, weight, bias, pad, dilation)
    assert found.shape == wanted.shape and found.dtype == torch.float32
    assert found.stride(1) == 1
    assert (found - wanted).abs().max() <= 5e-6 * wanted.abs().max().clamp(min=1)


@needs_kernel
@pytest.mark.parametrize("floats", VARIANTS)
@pytest.mark.parametrize("channels", [64, 512])
def test_many_channels_keep_their_precision(floats, channels):
    x, weight, bias = example(0, 1, channels, channels, 3, 300)
    found = WinogradConvolution(weight, 4, 4, floats)(x, bias)
    wanted = expected(x, weight, bias, 4, 4)
    assert (found - wanted).abs().max() <= 5e-6 * wanted.abs().max()


@needs_kernel
def test_a_window_has_the_same_bits_in_any_batch_and_with_any_threads():
    x, weight, bias = example(0, 5, 48, 64, 3, 700)
    convolve = WinogradConvolution(weight, 8, 8)
    whole = convolve(x, bias)
    alone = torch.cat([convolve(x[i : i + 1], bias) for i in range(5)])
    torch.set_num_threads(3)
    threaded = convolve(x, bias)
    assert torch.equal(whole, alone) and torch.equal(whole, threaded)


@needs_kernel
def test_a_part_of_a_longer_tensor_is_read_in_place():
    x, weight, _ = example(0, 2, 64, 64, 3, 400)
    part = x[:, :, 30:330]
    found, copied = (WinogradConvolution(weight, 2, 2)(each) for each in (part, part.contiguous()))
    assert torch.equal(found, copied)


@needs_kernel
def test_nan_reaches_what_reads_it():
    x, weight, bias = example(0, 1, 16, 16, 3, 100)
    x[0, 3, 50] = torch.nan
    found = WinogradConvolution(weight, 1, 1)(x, bias)[0]
    assert found[:, 49:52].isnan().all()
    assert not found[:, :44].isnan().any() and not found[:, 56:].isnan().any()


@pytest.mark.parametrize("n_positions", [1, 7, 8, 9, 31, 32, 33, 100])
@pytest.mark.parametrize("dilation", [1, 2, 8, 50])
def test_quads_cover_each_output_once(n_positions, dilation):
    firsts = [p for p in range(n_positions) if p // dilation % 4 == 0]
    covered = [p + k * dilation for p in firsts for k in range(4)]
    assert n_quads(n_positions, dilation) == len(firsts)
    assert sorted(p for p in covered if p < n_positions) == list(range(n_positions))


def test_it_is_not_taken_where_it_does_not_pay():
    assert not pays(64, 4, 21, 1, 2000)  # few channels
    assert not pays(64, 64, 1, 1, 2000) and not pays(64, 64, 4, 1, 2000)  # nothing saved
    assert not pays(64, 64, 3, 512, 600)  # most of each quad does not exist
    assert not pays(17, 17, 3, 1, 2000)  # most of each vector does not exist
    assert pays(64, 64, 3, 1, 2000) == (vector_floats() > 0)
