"""A BPNet whose output lies far inside its window leaves out what no head reads."""

import pytest
import torch
import torch.nn.functional as F

from cisweep.analysis import deep_lift_shap, saturation_mutagenesis
from cisweep.engine.policy import require
from cisweep.errors import ModelError
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


def trunk(network, X):
    x = F.relu(F.conv1d(X, network.first_conv.weight, network.first_conv.bias, padding=3))
    for conv, d in zip(network.dilated_convs, (2, 4)):
        x = x + F.relu(F.conv1d(x, conv.weight, conv.bias, padding=d, dilation=d))
    return x


def padded(network, X):
    """The two heads written out with convolutions padded to the whole window."""
    x = trunk(network, X)
    head = network.profile_conv
    profile = F.conv1d(x, head.weight, head.bias, padding=10)[:, :, 40:-40]
    return profile, network.count_linear(x[:, :, 30:-30].mean(dim=2))


def test_outputs_are_those_of_the_whole_window(network):
    assert network.unread == 40 - REACH
    for found, expected in zip(network(windows()), padded(network, windows()), strict=True):
        torch.testing.assert_close(found, expected)


def test_explanations_reach_as_far_as_the_heads_do(network):
    X, model = windows(), CountWrapper(network)
    with require("saturation mutagenesis"):
        found = saturation_mutagenesis(model, X)
    full = saturation_mutagenesis(model, X, fast=False)
    torch.testing.assert_close(found, full)
    attributions = deep_lift_shap(model, X, n_shuffles=3, random_state=0)
    for values in (found, attributions):
        read = (values.abs().sum(dim=(0, 1)) > 1e-9).nonzero().flatten()
        assert read[0] >= network.unread and read[-1] < 140 - network.unread
        assert len(read) > 80


@pytest.mark.parametrize("count_trimming", [None, 12, 6])
def test_counts_of_stretches(count_trimming):
    torch.manual_seed(0)
    made = {"first_width": 7, "profile_width": 21, "count_bins": 6}
    network = BPNet(6, 2, **({"trimming": 40} | made), count_trimming=count_trimming)
    network = network.double().eval()
    X = windows(length=156)
    trimming = 30 if count_trimming is None else count_trimming
    x = trunk(network, X)[:, :, trimming : 156 - trimming]
    means = x.unflatten(2, (6, -1)).mean(dim=3).transpose(1, 2).flatten(1)
    profile, counts = network(X)
    torch.testing.assert_close(counts, network.count_linear(means))
    assert profile.shape[2] == 156 - 2 * network.trimming
    assert network.unread == {None: 40 - REACH, 12: 3, 6: 0}[count_trimming]  # 6: padded


def test_counts_of_stretches_are_explained_exactly():
    torch.manual_seed(0)
    network = BPNet(6, 2, trimming=40, profile_width=21, count_bins=4, count_trimming=24)
    X, model = windows(), CountWrapper(network.double().eval())
    with require("saturation mutagenesis"):
        found = saturation_mutagenesis(model, X)
    torch.testing.assert_close(found, saturation_mutagenesis(model, X, fast=False))
    attributions = deep_lift_shap(model, X, n_shuffles=3, random_state=0, warning_threshold=1e-9)
    assert attributions.abs().sum() > 0
    moved = X.roll(23, dims=2)
    assert not torch.allclose(model(moved), model(X))


def test_counts_of_the_output_do_not_need_the_stretches_of_a_window():
    """One stretch at the default place is the mean that peers take."""
    torch.manual_seed(0)
    plain = BPNet(6, 2, trimming=40, profile_width=21).eval()
    named = BPNet(6, 2, trimming=40, profile_width=21, count_bins=1, count_trimming=30).eval()
    named.load_state_dict(plain.state_dict())
    X = windows().float()
    for a, b in zip(plain(X), named(X), strict=True):
        assert torch.equal(a, b)


def test_stretches_that_do_not_fit():
    network = BPNet(6, 2, trimming=40, profile_width=21, count_bins=7)
    with pytest.raises(ModelError, match="reads 80 bp of a window of 140 bp, which count_bins 7"):
        network(windows().float())
    with pytest.raises(ModelError, match="loses 70 bp on each side, so it reads at least 141"):
        BPNet(6, 2, trimming=40, count_trimming=70)(windows().float())
