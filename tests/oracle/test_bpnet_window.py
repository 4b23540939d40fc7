"""A BPNet whose output lies far inside its window leaves out what no head reads."""

import pytest
import torch
import torch.nn.functional as F

from cisweep.analysis import deep_lift_shap, saturation_mutagenesis
from cisweep.models.modules import BPNet
from cisweep.models.wrappers import CountWrapper

REACH = 3 + 2 + 4 + 10  # half widths 3 and 10, dilations 2 and 4


@pytest.fixture
def network():
    torch.manual_seed(0)
    return BPNet(6, 2, trimming=40, first_width=7, profile_width=21).double().eval()


def windows(n=2, length=140):
    tokens = torch.randint(0, 4, (n, length), generator=torch.Generator().manual_seed(1))
    return F.one_hot(tokens, 4).transpose(1, 2).double()


def padded(network, X):
    """The two heads written out with convolutions padded to the whole window."""
    x = F.relu(F.conv1d(X, network.first_conv.weight, network.first_conv.bias, padding=3))
    for conv, d in zip(network.dilated_convs, (2, 4)):
        x = x + F.relu(F.conv1d(x, conv.weight, conv.bias, padding=d, dilation=d))
    head = network.profile_conv
    profile = F.conv1d(x, head.weight, head.bias, padding=10)[:, :, 40:-40]
    return profile, network.count_linear(x[:, :, 30:-30].mean(dim=2))


def test_outputs_are_those_of_the_whole_window(network):
    assert network.unread == 40 - REACH
    for found, expected in zip(network(windows()), padded(network, windows()), strict=True):
        torch.testing.assert_close(found, expected)


def test_explanations_reach_as_far_as_the_heads_do(network):
    X, model = windows(), CountWrapper(network)
    found = saturation_mutagenesis(model, X)
    full = saturation_mutagenesis(model, X, fast=False)
    torch.testing.assert_close(found, full)
    attributions = deep_lift_shap(model, X, n_shuffles=3, random_state=0)
    for values in (found, attributions):
        read = (values.abs().sum(dim=(0, 1)) > 1e-9).nonzero().flatten()
        assert read[0] >= network.unread and read[-1] < 140 - network.unread
        assert len(read) > 80
