"""The fast convolution against torch's conv1d in float64, forward and gradient."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cisweep.engine.convolution.dispatch import conv1d
from cisweep.engine.operations import fast_convolutions, linear

SHAPES = [
    (channels, outputs, width, length, padding, dilation)
    for channels, outputs, width, length, padding, dilation in itertools.product(
        (1, 4, 64), (1, 2, 5, 64), (1, 3, 4, 19), (25, 60), (0, 2, "same"), (1, 3)
    )
    if length + 4 > dilation * (width - 1) and (padding != 0 or length > dilation * (width - 1))
]


def relative(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("channels", [1, 4, 64])
@pytest.mark.parametrize("bias", [False, True])
def test_equal_to_conv1d(channels, bias):
    generator = torch.Generator().manual_seed(channels)
    for _, outputs, width, length, padding, dilation in (s for s in SHAPES if s[0] == channels):
        x = torch.randn(3, channels, length, generator=generator, requires_grad=True)
        weight = torch.randn(outputs, channels, width, generator=generator)
        b = torch.randn(outputs, generator=generator) if bias else None
        options = (1, padding, dilation)
        y = conv1d(x, weight, b, *options)
        x64 = x.detach().double().requires_grad_()
        expected = F.conv1d(x64, weight.double(), None if b is None else b.double(), *options)
        assert y.shape == expected.shape and y.dtype == torch.float32
        # torch's own float32 convolution reaches 2e-6 here, one by tiles 3e-6
        assert relative(y, expected) < 5e-6
        upstream = torch.randn(y.shape, generator=generator)
        (gradient,) = torch.autograd.grad(y, x, upstream)
        (expected,) = torch.autograd.grad(expected, x64, upstream.double())
        assert relative(gradient, expected) < 5e-6


@pytest.mark.parametrize(
    "options", [{"stride": 2}, {"groups": 2}, {"padding": 5}, {"stride": (3,), "padding": (1,)}]
)
def test_what_is_not_supported_is_torchs_own(options):
    x, weight = torch.randn(2, 4, 30, requires_grad=True), torch.randn(6, 4, 3)
    weight = weight[:, : 4 // options.get("groups", 1)].contiguous()
    y, expected = conv1d(x, weight, **options), F.conv1d(x, weight, **options)
    assert torch.equal(y, expected)
    a, b = (torch.autograd.grad(each.square().sum(), x)[0] for each in (y, expected))
    torch.testing.assert_close(a, b)


W, B = torch.randn(64, 64, 3), torch.randn(64)
CALLS = {
    "conv1d by name": lambda x: F.conv1d(input=x, weight=W, bias=B, padding=1),
    "conv1d of aten by name": lambda x: torch.ops.aten.conv1d.default(input=x, weight=W),
    "NumPy's integers": lambda x: F.conv1d(x, W, B, np.int64(1), np.int64(2), np.int64(2)),
    "lists of NumPy's integers": lambda x: F.conv1d(x, W, B, [1], [np.int64(2)], (np.int64(2),)),
    "linear by name": lambda x: F.linear(input=x.transpose(1, 2), weight=W[:7, :, 0]),
    "batch_norm by name": lambda x: F.batch_norm(input=x, running_mean=B, running_var=B * B),
    "view by name": lambda x: x.view(size=(3, -1)),
    "view of aten by name": lambda x: torch.ops.aten.view.default(self=x, size=[3, -1]),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_may_be_written_as_torch_takes_it(name):
    x = torch.randn(3, 64, 50)
    expected = CALLS[name](x)
    with torch.no_grad(), fast_convolutions():
        torch.testing.assert_close(CALLS[name](x), expected, rtol=1e-4, atol=1e-4)


def test_float64_and_weight_gradients_are_torchs_own():
    x = torch.randn(2, 4, 30, dtype=torch.float64)
    weight = torch.randn(6, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.equal(conv1d(x, weight), F.conv1d(x, weight))
    assert torch.autograd.grad(conv1d(x, weight).sum(), weight)[0].abs().sum() > 0


def test_a_result_may_be_changed_in_place():
    x, weight = torch.randn(2, 16, 40, requires_grad=True), torch.randn(16, 16, 5)
    found, wanted = (
        torch.autograd.grad(f(x, weight).relu_().square().sum(), x)[0] for f in (conv1d, F.conv1d)
    )
    assert relative(found, wanted) < 1e-5


def test_gradients_keep_the_layout_of_the_activations():
    torch.manual_seed(0)
    trunk = [torch.nn.Conv1d(16, 16, 3, padding=1).requires_grad_(False) for _ in range(2)]
    seen = []

    def value(x):
        x = trunk[0](x)
        for conv in trunk:
            x = x + torch.relu(conv(x))
            if x.grad_fn is not None:
                x.register_hook(lambda g: seen.append(g.stride(1)))
        return x[:, :, 10:-10].mean(-1).square().sum()

    x = torch.randn(2, 16, 40, requires_grad=True)
    (wanted,) = torch.autograd.grad(value(x), x)
    seen.clear()
    with fast_convolutions():
        y = value(x)
    (found,) = torch.autograd.grad(y, x)
    assert seen == [1, 1] and relative(found, wanted) < 1e-5


def test_a_changed_weight_is_noticed():
    x, weight = torch.randn(2, 4, 40), torch.randn(2, 4, 19)
    for change in (lambda: weight.mul_(2), lambda: weight.add_(1)):
        conv1d(x, weight)
        change()
        assert relative(conv1d(x, weight), F.conv1d(x, weight)) < 1e-6


def test_too_short_an_input_is_torchs_error():
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        conv1d(torch.randn(1, 4, 5), torch.randn(2, 4, 9))


@pytest.mark.parametrize("sizes", [(33, 7), (64, 1), (48, 2), (5, 5)])
def test_linear_rows_have_the_same_bits_wherever_they_stand(sizes):
    n_in, n_out = sizes
    weight, bias, row = torch.randn(n_out, n_in), torch.randn(n_out), torch.randn(n_in)
    for n in (2, 3, 7, 31, 64):
        first, last = torch.randn(2, n, n_in)
        first[0] = last[n - 1] = row
        y, z = linear(first, weight, bias), linear(last, weight, bias)
        torch.testing.assert_close(y, F.linear(first, weight, bias), rtol=1e-5, atol=1e-5)
        assert torch.equal(y[0], z[n - 1])


@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_of_channels_last(affine):
    norm = torch.nn.BatchNorm1d(64, affine=affine)
    conv = torch.nn.Conv1d(4, 64, 3)
    norm(conv(torch.randn(8, 4, 30)))
    norm.eval()
    x = torch.randn(2, 4, 30)
    with torch.no_grad():
        expected = norm(conv(x))
        with fast_convolutions():
            y = conv(x)
            assert y.stride(1) == 1
            torch.testing.assert_close(norm(y), expected, rtol=1e-5, atol=1e-6)


def test_context_is_used_by_modules_and_functions_and_ends():
    module = torch.nn.Conv1d(4, 64, 3, padding=1)
    x = torch.randn(2, 4, 30)
    with torch.no_grad():
        with fast_convolutions() as fast:
            inside = module(x), F.conv1d(x, module.weight, module.bias, padding=1)
            assert not fast.saw_products
            torch.matmul(x, x.transpose(1, 2))
            assert fast.saw_products
        assert all(y.stride(1) == 1 for y in inside)
        assert module(x).stride(1) == 30
