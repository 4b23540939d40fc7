"""The secant of ReLU and leaky ReLU in one pass, against its definition in float64."""

import pytest
import torch
import torch.nn.functional as F

from cisweep.analysis.attribution.rescale.rules.rectifier import rectified


def pair(shape=(3, 5, 70), channels_last=True):
    generator = torch.Generator().manual_seed(0)
    x, x_e = (torch.randn(shape, generator=generator) for _ in range(2))
    x_e[0] = x[0]  # equal inputs
    x[:, :, ::7] = 0
    if channels_last:
        x, x_e = (each.transpose(1, 2).contiguous().transpose(1, 2) for each in (x, x_e))
    return x, x_e


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("channels_last", [True, False])
def test_equal_to_the_definition(slope, channels_last):
    x, x_e = pair(channels_last=channels_last)
    value, secant = rectified(x, x_e, slope)
    a, b = x.double(), x_e.double()
    torch.testing.assert_close(value.double(), F.leaky_relu(a, slope), rtol=1e-6, atol=0)
    differ = a != b
    expected = (F.leaky_relu(b, slope) - F.leaky_relu(a, slope)) / (b - a)
    torch.testing.assert_close(secant.double()[differ], expected[differ], rtol=1e-5, atol=1e-6)
    same = torch.where(b[~differ] > 0, 1.0, slope).float()
    nonzero = b[~differ] != 0
    torch.testing.assert_close(secant[~differ][nonzero], same[nonzero])
    assert value.stride() == secant.stride() == x.stride()


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_one_pass_has_the_values_of_several(slope):
    x, x_e = pair()
    found = rectified(x, x_e, slope)
    copied = rectified(x, x_e.contiguous(), slope)  # another layout: by torch's operations
    for a, b in zip(found, copied):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7, equal_nan=True)


def test_numbers_that_are_none_stay_so():
    x = torch.tensor([torch.nan, torch.inf, -torch.inf, 1.0, -1.0])
    x_e = torch.tensor([1.0, 1.0, 1.0, torch.nan, -torch.inf])
    value, secant = rectified(x, x_e, 0.0)
    torch.testing.assert_close(value, torch.relu(x), equal_nan=True)
    assert secant[[0, 3]].isnan().all() and not secant[4].isnan()


def test_threads_change_nothing():
    x, x_e = pair((4, 64, 2000))
    found = rectified(x, x_e, 0.0)
    torch.set_num_threads(3)
    threaded = rectified(x, x_e, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(found, threaded))
