"""Tiles against windows, on networks of several kinds, and the models that are refused."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis import predict, predict_tiles
from cisweep.config.targets import TargetConfig
from cisweep.engine import sliding
from cisweep.engine.policy import FastPathOff, require
from cisweep.errors import SequenceError
from cisweep.models.modules import CNN, BPNet, ChromBPNet
from cisweep.models.targets import TargetModule, TrackModule
from cisweep.models.wrappers import ControlWrapper

PATH = "prediction of windows"


def tokens(length):
    made = torch.randint(0, 4, (length,), generator=torch.Generator().manual_seed(0))
    made[300:310] = 4
    return made.to(torch.uint8)


class Residual(nn.Module):
    """Batch norm, leaky ReLU, padded residual convolutions; the ends are cut off."""

    def __init__(self, cut):
        super().__init__()
        self.first = nn.Conv1d(4, 6, 1)
        self.norms = nn.ModuleList(nn.BatchNorm1d(6) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv1d(6, 6, 5, dilation=d, padding=2 * d) for d in (1, 4))
        self.cut = cut

    def forward(self, X):
        x = self.first(X)
        for norm, conv in zip(self.norms, self.convs):
            x = x + conv(F.leaky_relu(norm(x), 0.1))
        return x[:, :, self.cut : x.shape[2] - self.cut]


class Dense(nn.Module):
    """Valid convolutions, maximum and flattened positions, dense layers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 7)
        self.dense = nn.Linear(6 * 114 + 6, 3)

    def forward(self, X):
        x = torch.relu(self.conv(X))
        return self.dense(torch.cat([x.flatten(1), x.amax(2)], 1))


TARGETS = [
    TargetConfig(name="profile", reduce="profile"),
    TargetConfig(name="part", tasks=[1], positions=(2, 9), reduce="sum"),
    TargetConfig(name="counts", head=1),
]


def made(kind):
    torch.manual_seed(0)
    sizes = {"n_filters": 6, "n_layers": 3}, {"n_filters": 4, "n_layers": 2}
    model = {
        "bpnet": lambda: BPNet(6, 3),
        "controls": lambda: ControlWrapper(BPNet(6, 2, n_control_tracks=2, profile_width=9)),
        "chrombpnet": lambda: ChromBPNet(*sizes),
        "targets": lambda: TargetModule(BPNet(6, 3, profile_width=21), TARGETS),
        "residual": lambda: Residual(10),
        "dense": Dense,
    }[kind]().double()
    if kind == "residual":
        model(torch.rand(9, 4, 140).double())  # moves running statistics off 0 and 1
    return model.eval()


@pytest.mark.parametrize(
    "kind", ["bpnet", "controls", "chrombpnet", "targets", "residual", "dense"]
)
@pytest.mark.parametrize("stride", [1, 17, 200])
@pytest.mark.parametrize("stretch", [1, 400])
def test_equal_to_windows(kind, stride, stretch):
    model, window = made(kind), 120 if kind == "dense" else 140
    X = tokens(window + 60 if stride == 1 else 900)
    windows = X.unfold(0, window, stride)
    expected = predict(model, windows)
    with require(PATH):
        found = predict_tiles(model, X, window, stride, stretch_bp=stretch)
    if isinstance(expected, torch.Tensor):
        expected, found = [expected], [found]
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_one_hot_and_func():
    model, X = made("bpnet"), tokens(500)
    one_hot = F.one_hot(X.long(), 5)[:, :4].T
    counts = predict_tiles(model, one_hot, 140, 20, func=lambda y: y[1])
    assert torch.equal(counts, predict_tiles(model, X, 140, 20)[1])


def test_each_position_is_convolved_once_a_stretch(monkeypatch):
    """At stride 10 the 201 windows of 140 bp are two stretches of 1140 bp."""
    model, lengths = made("bpnet"), []
    run = sliding.run_call

    def counted(call, values, n):
        if call.function is torch.conv1d and values[call.inputs[0]].shape[1] == 4 and n == 1:
            lengths.append(values[call.inputs[0]].shape[2])
        return run(call, values, n)

    monkeypatch.setattr(sliding, "run_call", counted)
    predict_tiles(model, tokens(2140), 140, 10, stretch_bp=1140)
    assert lengths == [1140, 1140]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3)

    def forward(self, X):
        x = self.conv(X)
        return torch.softmax(x.transpose(1, 2) @ x, dim=2).mean((1, 2))


class Pooling(Attention):
    def forward(self, X):
        return F.max_pool1d(self.conv(X), 2)


class Looking(Attention):
    def forward(self, X):
        return self.conv(X) if float(X.sum()) > 0 else X


class Positions(Attention):
    def forward(self, X):
        return self.conv(X + torch.arange(X.shape[2]).expand(X.shape))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            CNN(4, first_width=5),
            r"amax reads 100 positions, of which padding .* all but \[16, 84\)",
        ),
        (Residual(2), r"an output reads 96 positions, of which padding .* all but \[8, 88\)"),
        (BPNet(4, 2, trimming=10, profile_width=9), "padding at the window's ends"),
        (Pooling(), "max_pool1d does not slide|fn does not slide"),
        (Looking(), "looks at a value of the sequence"),
        (Positions(), "differs between positions"),
        (Attention(), "does not slide|reads"),
    ],
)
def test_what_does_not_slide_is_predicted_in_windows(model, message):
    model, X = model.eval(), tokens(400)
    with pytest.raises(FastPathOff, match=f"off, because .*({message})"), require(PATH):
        predict_tiles(model, X, 100, 10)
    expected = predict(model, X.unfold(0, 100, 10))
    for each in (X, F.one_hot(X.long(), 5)[:, :4].T):
        found = predict_tiles(model, each, 100, 10)
        pairs = zip(*([y] if isinstance(y, torch.Tensor) else y for y in (found, expected)))
        assert all(torch.equal(a, b) for a, b in pairs)


def test_stretches_are_compared_with_windows(monkeypatch):
    model, X = made("bpnet"), tokens(900)
    right = sliding.Sliding.__call__
    monkeypatch.setattr(sliding.Sliding, "__call__", lambda *args: [y + 1e-3 for y in right(*args)])
    with pytest.raises(FastPathOff, match="values in stretches differ by 0.001"), require(PATH):
        predict_tiles(model, X, 140, 10)
    expected = predict(model, X.unfold(0, 140, 10))
    found = predict_tiles(model, X, 140, 10)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_positions_that_no_padding_reaches_make_it_slide():
    model = TrackModule(Residual(2).eval(), [TargetConfig(name="t", positions=(8, 88))])
    X = tokens(300)
    with require(PATH):
        found = predict_tiles(model, X, 100, 50)[0]
    torch.testing.assert_close(found, predict(model, X.unfold(0, 100, 50))[0])


def test_errors():
    model = made("bpnet")
    with pytest.raises(SequenceError, match="no window of 140 bp at stride 10 fits 100 bp"):
        predict_tiles(model, tokens(100), 140, 10)
    with pytest.raises(SequenceError, match=r"X has shape \(2, 4, 100\)"):
        predict_tiles(model, torch.zeros(2, 4, 100), 140, 10)
