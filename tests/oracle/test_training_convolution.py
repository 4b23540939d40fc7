"""Convolutions that learn, against torch's own in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cisweep.engine.convolution.training import conv1d, fast_training
from cisweep.models.modules import CNN, BPNet
from cisweep.train.data.datasets import SignalDataset
from cisweep.train.losses import profile_objective


def gradients(convolve, tensors, arguments, of_y):
    tensors = [None if t is None else t.detach().requires_grad_() for t in tensors]
    y = convolve(*tensors, *arguments)
    wanted = [t for t in tensors if t is not None]
    return [y, *torch.autograd.grad(y, wanted, of_y.to(y.dtype))]


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((3, 8, 2, 90, 21), (1, 0, 1)),  # a profile head
        ((3, 8, 4, 90, 21), (1, 10, 1)),  # padded
        ((2, 5, 1, 40, 16), (1, (15,), (1,))),
        ((1, 3, 3, 16, 16), (1, 0, 1)),  # one position
        ((3, 8, 2, 90, 21), (1, 0, 2)),  # wide and dilated
        ((2, 4, 16, 50, 7), (1, 3, 1)),
        ((2, 16, 16, 50, 3), (1, 4, 4)),
        ((2, 16, 16, 50, 3), (1, "same", 4)),
        ((2, 6, 6, 50, 3), (2, 1, 1)),  # torch's own
        ((2, 6, 6, 50, 3), (1, 1, 1, 3)),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_convolution_and_gradients(shape, arguments, bias):
    n, n_in, n_out, length, width = shape
    groups = arguments[3] if len(arguments) > 3 else 1
    generator = torch.Generator().manual_seed(0)

    def drawn(*size):
        return torch.randn(*size, generator=generator)

    tensors = [drawn(n, n_in, length), drawn(n_out, n_in // groups, width)]
    tensors += [drawn(n_out) if bias else None]
    double = [None if t is None else t.double() for t in tensors]
    of_y = drawn(*F.conv1d(*tensors, *arguments).shape)
    found = gradients(conv1d, tensors, arguments, of_y)
    for a, b in zip(found, gradients(F.conv1d, double, arguments, of_y), strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() < 1e-5 * b.abs().max()


def test_only_wanted_gradients_are_made():
    x, weight = torch.randn(2, 4, 60), torch.randn(2, 4, 21, requires_grad=True)
    (conv1d(x, weight).sum()).backward()
    assert weight.grad is not None and x.grad is None
    x, weight = torch.randn(2, 4, 60, requires_grad=True), torch.randn(6, 4, 3)
    (conv1d(x, weight).sum()).backward()
    assert x.grad is not None and weight.grad is None


def weight_gradients(model, batch, dtype, fast):
    model = model.to(dtype)
    model.zero_grad()
    profile = isinstance(model, BPNet)
    one_hot = batch.one_hot().to(dtype)
    with fast_training() if fast else torch.enable_grad():
        if profile:
            logits, counts = model(one_hot)
            loss = (logits.square().mean() + (counts - 3).square().mean()).to(dtype)
        else:
            loss = model(one_hot).square().mean()
    loss.backward()
    return [p.grad.double().clone() for p in model.parameters()]


@pytest.mark.parametrize(
    "model",
    [
        BPNet(6, 3, trimming=None, first_width=7, profile_width=21),
        BPNet(6, 3, trimming=5, first_width=7, profile_width=21),  # padded
        BPNet(32, 3, trimming=5, first_width=7, profile_width=21),  # by tiles
        CNN(8, first_width=5, dilations=(1, 2), n_outputs=2),
        CNN(48, first_width=5, dilations=(1, 2), n_outputs=2),
        CNN(8, first_width=5, dilations=(), pooling="flatten", length_bp=120, n_outputs=2),
    ],
)
def test_networks_learn_the_same(model):
    generator = np.random.default_rng(0)
    data = SignalDataset(
        generator.integers(0, 5, (4, 120), dtype=np.uint8),
        np.zeros((4, 2, 30), np.float32),
        np.ones(4, bool),
    )
    batch = data.batch(np.arange(4))
    exact = weight_gradients(model, batch, torch.float64, fast=False)
    for a, b in zip(weight_gradients(model, batch, torch.float32, fast=True), exact, strict=True):
        assert (a - b).abs().max() < 1e-5 * b.abs().max()


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_weights_are_laid_out_anew_after_each_step(optimizer):
    torch.manual_seed(0)
    model = CNN(32, first_width=5, dilations=(1, 2))
    steps = optimizer(model.parameters(), lr=0.05)
    x = F.one_hot(torch.randint(0, 4, (4, 120)), 4).float().transpose(1, 2).contiguous()
    for _ in range(3):
        with fast_training():
            found = model(x)
        torch.testing.assert_close(found, model(x), rtol=1e-4, atol=1e-5)
        steps.zero_grad()
        (found - 5).square().mean().backward()
        steps.step()


def test_mixed_precision_keeps_torch_and_a_loss_in_float32():
    generator = np.random.default_rng(0)
    data = SignalDataset(
        generator.integers(0, 4, (8, 120), dtype=np.uint8),
        generator.poisson(1.0, (8, 2, 60)).astype(np.float32),
        np.ones(8, bool),
    )
    torch.manual_seed(0)
    model = BPNet(16, 1, trimming=30, first_width=7, profile_width=21)
    batch, objective = data.batch(np.arange(8)), profile_objective(2.0)
    exact = objective(model, batch)
    # What a GPU runs in bfloat16; a CPU can run it too.
    with torch.autocast("cpu", dtype=torch.bfloat16), fast_training():
        mixed = objective(model, batch)
    assert all(part.dtype == torch.float32 for part in mixed.values())
    # bfloat16 rounds by up to 2^-9 an operation: ten of them, all in one direction.
    for name, part in exact.items():
        assert mixed[name].item() == pytest.approx(part.item(), rel=0.02)
        assert mixed[name] != part
    mixed["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
