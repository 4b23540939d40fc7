"""Targets against sums written out by hand, and strands against brute reversal."""

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cisweep.config.model import RcConfig
from cisweep.config.targets import TargetConfig
from cisweep.errors import ModelError
from cisweep.models.modules import CNN, BPNet
from cisweep.models.targets import (
    ReverseComplement,
    TargetModule,
    TrackModule,
    fixed_profile_weights,
    target_module,
    track_module,
)
from cisweep.models.wrappers import ControlWrapper, CountWrapper, EnformerWrapper, ProfileWrapper


class Heads(nn.Module):
    """Returns the same outputs whatever it reads."""

    def __init__(self, *heads):
        super().__init__()
        self.heads = heads

    def forward(self, X, *args):
        return self.heads if len(self.heads) > 1 else self.heads[0]


TRACK = torch.arange(24.0).reshape(2, 3, 4)
SCALARS = torch.arange(4.0).reshape(2, 2)
X = torch.zeros(2, 4, 10)


def targets(**changes):
    return [TargetConfig(name="t", **changes)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reduce": "sum"}, [66.0, 210.0]),
        ({"reduce": "mean"}, [5.5, 17.5]),
        ({"reduce": "max", "tasks": [0, 1]}, [7.0, 19.0]),
        ({"reduce": "center", "tasks": [1]}, [6.0, 18.0]),
        ({"reduce": "sum", "tasks": [2, 0], "positions": (1, 3)}, [22.0, 70.0]),
        ({"reduce": "none", "tasks": [1], "positions": (3, 4)}, [7.0, 19.0]),
        ({"reduce": "sum", "transform": "log1p"}, torch.log1p(torch.tensor([66.0, 210])).tolist()),
        ({"head": 1, "tasks": [1]}, [1.0, 3.0]),
        ({"head": 1, "reduce": "mean"}, [0.5, 2.5]),
    ],
)
def test_reductions(changes, expected):
    values = TargetModule(Heads(TRACK, SCALARS), targets(**changes))(X)
    assert values.shape == (2, 1)
    torch.testing.assert_close(values[:, 0], torch.tensor(expected))


def test_profile_scores_have_one_value_and_two_gradients():
    logits = torch.randn(2, 2, 5, dtype=torch.float64, requires_grad=True)
    both = [
        TargetConfig(name="a", reduce="profile"),
        TargetConfig(name="b", reduce="profile_bpnetlite"),
    ]
    fixed, full = TargetModule(Heads(logits), both)(X).T
    z = logits.flatten(1) - logits.flatten(1).mean(1, keepdim=True)
    weights = z.exp() / z.exp().sum(1, keepdim=True)
    torch.testing.assert_close(fixed, (weights * z).sum(1))
    torch.testing.assert_close(full, fixed)
    (gradient,) = torch.autograd.grad(fixed.sum(), logits, retain_graph=True)
    expected = weights - weights.mean(1, keepdim=True)
    torch.testing.assert_close(gradient.flatten(1), expected.detach())
    (gradient,) = torch.autograd.grad(full.sum(), logits)
    inner = weights * (z - (weights * z).sum(1, keepdim=True)) + weights
    expected = inner - inner.mean(1, keepdim=True)
    torch.testing.assert_close(gradient.flatten(1), expected.detach())


def test_fixed_weights_are_one_operation_for_a_function_mode():
    seen = []

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Mode():
        TargetModule(Heads(TRACK), targets(reduce="profile"))(X)
    assert seen.count(fixed_profile_weights) == 1


def test_unreduced_targets():
    both = [TargetConfig(name="a"), TargetConfig(name="b", head=1, tasks=[0])]
    track, scalar = TrackModule(Heads(TRACK, SCALARS), both)(X)
    assert torch.equal(track, TRACK) and scalar.tolist() == [0.0, 2.0]
    with pytest.raises(ModelError, match=r"target 'a' has \(3, 4\) values per window"):
        TargetModule(Heads(TRACK, SCALARS), both)(X)


def test_strand_mean():
    torch.manual_seed(0)
    model = BPNet(4, 2).double().eval()
    X = torch.rand(3, 4, 130, dtype=torch.float64)
    wanted = [
        TargetConfig(name="p", tasks=[0], positions=(0, 5), reduce="sum"),
        TargetConfig(name="c", head=1),
    ]
    rc = RcConfig(task_permutation=[1, 0])
    profile, counts = model(X)
    turned, turned_counts = model(torch.flip(X, (1, 2)))
    expected_p = (profile[:, 0, :5].sum(1) + turned.flip(2)[:, 1, :5].sum(1)) / 2
    values = target_module(model, wanted, rc)(X)
    torch.testing.assert_close(values[:, 0], expected_p)
    torch.testing.assert_close(values[:, 1], ((counts + turned_counts) / 2)[:, 0])
    track = track_module(model, targets(), rc)(X)[0]
    torch.testing.assert_close(track, (profile + turned.flip(2)[:, [1, 0]]) / 2)
    plain = target_module(model, wanted, RcConfig(average=False))(X)
    torch.testing.assert_close(plain[:, 1], counts[:, 0])


def test_strand_mean_is_blind_to_the_strand():
    torch.manual_seed(0)
    model = CNN(4, first_width=5).eval()
    X = torch.rand(2, 4, 30)
    wanted = [TargetConfig(name="a", tasks=[0])]
    both = target_module(model, wanted, RcConfig())
    torch.testing.assert_close(both(X), both(X.flip(1, 2)))
    twice = ReverseComplement(ReverseComplement(model))
    assert torch.equal(twice(X), model(X))


def test_wrappers():
    torch.manual_seed(0)
    model = BPNet(4, 2, n_control_tracks=2).eval()
    X, zeros = torch.rand(2, 4, 130), torch.zeros(2, 2, 130)
    profile, counts = model(X, zeros)
    assert torch.equal(CountWrapper(ControlWrapper(model))(X), counts)
    z = profile.flatten(1) - profile.flatten(1).mean(1, keepdim=True)
    expected = (z * torch.softmax(z, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(ProfileWrapper(ControlWrapper(model))(X), expected)
    with pytest.raises(ModelError, match="returned int, neither a tensor nor several"):
        CountWrapper(Heads(3))(X)


def test_enformer_wrapper():
    class Net(nn.Module):
        def forward(self, X):
            return {"human": X.repeat(1, 1, 2), "mouse": X}

    X = torch.rand(2, 4, 10)
    wrapper = EnformerWrapper(Net(), [0, 5], (1, 4), head="human", length_bp=6)
    middle = X[:, :, 2:8].transpose(1, 2)
    expected = torch.log1p(middle[:, 1:4, 0].sum(1) + middle[:, 1:4, 1].sum(1))
    torch.testing.assert_close(wrapper(X)[:, 0], expected)
    with pytest.raises(ModelError, match="the window has 5 bp and the model reads 6 bp"):
        wrapper(X[:, :, :5])
