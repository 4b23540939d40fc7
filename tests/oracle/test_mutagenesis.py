"""Mutagenesis by propagation against full prediction and tangermeme, on networks of many kinds."""

import logging

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis import saturation_mutagenesis
from cisweep.engine import policy as fast_path
from cisweep.engine.policy import FastPathOff, require
from cisweep.engine.propagation import saturation
from cisweep.engine.propagation.assembly import assemble
from cisweep.engine.propagation.batches import SequenceBatches, propagate_batch
from cisweep.engine.recording import record
from cisweep.engine.running import dtype_of
from cisweep.errors import ModelError, SequenceError
from cisweep.models.modules import CNN, BPNet, Linear
from cisweep.models.wrappers import CountWrapper

PATH = "saturation mutagenesis"


def windows(n, length, seed=0):
    tokens = torch.randint(0, 4, (n, length), generator=torch.Generator().manual_seed(seed))
    X = F.one_hot(tokens, 4).transpose(1, 2).double()
    X[0, :, 3:6] = 0  # N
    return X


class Residual(nn.Module):
    """As OpenSpliceAI: batch norm, leaky ReLU, residual dilated convolutions, skip, softmax."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(4, 6, 1)
        self.norms = nn.ModuleList(nn.BatchNorm1d(6) for _ in range(3))
        self.convs = nn.ModuleList(
            nn.Conv1d(6, 6, 11, dilation=d, padding=5 * d) for d in (1, 2, 4)
        )
        self.last = nn.Conv1d(6, 3, 1)

    def forward(self, X):
        x = self.first(X)
        skip = 0.5 * x
        for norm, conv in zip(self.norms, self.convs):
            x = x + conv(F.leaky_relu(norm(x), 0.1, inplace=True))
            skip = skip + x
        return torch.log_softmax(self.last(skip[..., 2:-2]), dim=1)


class Pooled(nn.Module):
    """As Basset: batch norm, in-place ReLU, max pooling, flatten by view with the batch's size."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv1d(4, 6, 7),
            nn.BatchNorm1d(6),
            nn.ReLU(inplace=True),
            nn.MaxPool1d(3),
            nn.Conv1d(6, 5, 3, padding=1),
            nn.ELU(),
        )
        self.output = nn.Linear(90, 2)

    def forward(self, X):
        x = self.trunk(X)
        return self.output(x.view(X.shape[0], -1))


class Gated(nn.Module):
    """Products of two changing tensors, concatenation, padding, several reductions."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv1d(4, 5, 5, padding=2)
        self.b = nn.Conv1d(4, 5, 9, padding=4)
        self.c = nn.Conv1d(10, 4, 3, padding="same")
        self.pool = nn.AdaptiveMaxPool1d(1)

    def forward(self, X):
        a, b = self.a(X), self.b(X)
        x = a * torch.sigmoid(b) - b / (1 + a.abs())
        x = F.pad(torch.cat([x, torch.maximum(a, b)], dim=1), (2, 3))
        y = F.gelu(self.c(x)) * 2 - 1
        return torch.cat([y.mean(2), y.amax(-1), self.pool(1 - y).squeeze(2), y.sum(dim=-1)], dim=1)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv1d(4, 8, 5, padding=2)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.output = nn.Linear(8, 1)

    def forward(self, X):
        return self.output(self.layer(self.embed(X).transpose(1, 2)).mean(1))


def made(kind):
    torch.manual_seed(0)
    model = {
        "cnn": lambda: CNN(6, first_width=5, dropout=0.1),
        "flat": lambda: CNN(6, first_width=5, pooling="flatten", length_bp=60),
        "mean": lambda: CNN(6, first_width=9, width=9, dilations=(1, 2), pooling="mean"),
        "linear": lambda: Linear(60),
        "residual": Residual,
        "pooled": Pooled,
        "gated": Gated,
        "transformer": Transformer,
        "counts": lambda: CountWrapper(BPNet(6, 2, first_width=5, profile_width=9)),
        "padded": lambda: CountWrapper(BPNet(6, 2, trimming=3, profile_width=9)),
    }[kind]()
    model.double()
    model(windows(9, 60, seed=3))  # moves running statistics off 0 and 1
    return model.eval()


KINDS = ["cnn", "flat", "mean", "linear", "residual", "pooled", "gated", "transformer"]
KINDS += ["counts", "padded"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [3, 32])
def test_equal_to_full_prediction(kind, batch_size):
    model, X = made(kind), windows(2, 60)
    with require(PATH):
        y0, y_hat = saturation_mutagenesis(model, X, raw_outputs=True, batch_size=batch_size)
    expected = saturation_mutagenesis(model, X, raw_outputs=True, fast=False)
    torch.testing.assert_close(y0, expected.y0, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(y_hat, expected.y_hat, rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        mutant = X[1].clone()
        mutant[:, 17] = torch.tensor([0, 0, 1, 0])
        torch.testing.assert_close(y_hat[1, 2, 17], model(mutant[None])[0])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "transformer"])
def test_these_networks_are_recorded(kind):
    assert record(made(kind), windows(1, 60)).calls


@pytest.mark.parametrize("at_once", [1, 2, 3])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "transformer"])
def test_many_sequences_side_by_side(kind, at_once):
    """The same position of several sequences, also at the ends, where padding is read."""
    model, X = made(kind), windows(3, 60)
    propagation = assemble(record(model, X[:1]))
    batches = SequenceBatches(propagation, at_once)
    for positions in ((0, 1, 4, 17, 31, 58, 59), (0,), (31,), (31,), (17, 18)):
        batch = batches.batch(X, positions)
        with torch.no_grad():
            torch.testing.assert_close(batch.output(), model(X), rtol=1e-12, atol=1e-12)
            for p in positions:
                letters = torch.tensor([[p % 4, 2], [1, (p + 1) % 4], [0, 3]])
                first = torch.eye(4).double()[letters] - X[:, None, :, p]
                mutants = X.repeat_interleave(2, dim=0)
                mutants[:, :, p] = torch.eye(4).double()[letters.flatten()]
                found = propagate_batch(propagation, batch, p, first[:, :, None])
                torch.testing.assert_close(found, model(mutants), rtol=1e-10, atol=1e-12)


def test_of_many_sequences_only_what_a_change_reads_is_kept():
    model, X = made("cnn"), windows(3, 60)
    propagation = assemble(record(model, X[:1]))
    size = [
        sum(t.numel() for t in SequenceBatches(propagation, at_once).batch(X, [31]).values.values())
        for at_once in (1, 3)
    ]
    assert size[0] < size[1] / 2


def test_change_stays_inside_the_receptive_field(monkeypatch):
    """Only some windows are computed: the trunk of the CNN is never run on whole mutants."""
    model = made("cnn")
    widths = []
    propagate = saturation.propagate

    def noted(propagation, *rest):
        widths.append(propagation.largest)
        return propagate(propagation, *rest)

    monkeypatch.setattr(saturation, "propagate", noted)
    saturation_mutagenesis(model, windows(1, 60))
    assert widths and set(widths) == {6 * (5 + 2 * (2 + 4 + 8))}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["cnn", "pooled", "gated"])
@pytest.mark.parametrize("options", [{}, {"hypothetical": True}, {"start": 5, "end": -11}])
def test_equal_to_tangermeme(kind, options):
    peer = pytest.importorskip("tangermeme.saturation_mutagenesis")
    model, X = made(kind), windows(2, 60)
    expected = peer.saturation_mutagenesis(model, X, device="cpu", fast=False, **options)
    with require(PATH):
        found = saturation_mutagenesis(model, X, **options)
    torch.testing.assert_close(found, expected.to(found.dtype), rtol=1e-9, atol=1e-12)
    one = saturation_mutagenesis(model, X, target=1, hypothetical=True)
    expected = peer.saturation_mutagenesis(
        model, X, device="cpu", fast=False, target=1, hypothetical=True
    )
    torch.testing.assert_close(one, expected, rtol=1e-9, atol=1e-12)


def test_several_inputs_and_outputs():
    torch.manual_seed(0)
    model = BPNet(4, 2, n_control_tracks=2, profile_width=9).double().eval()
    X, controls = windows(2, 60), torch.rand(2, 2, 60, dtype=torch.float64)
    with require(PATH):
        found = saturation_mutagenesis(model, X, (controls,), start=20, end=30, raw_outputs=True)
    assert [y.shape for y in found.y_hat] == [(2, 4, 10, 2, 60 - 2 * 20), (2, 4, 10, 1)]
    for letter in range(4):
        mutant = X.clone()
        mutant[:, :, 24] = 0
        mutant[:, letter, 24] = 1
        for y_hat, expected in zip(found.y_hat, model(mutant, controls), strict=True):
            torch.testing.assert_close(y_hat[:, letter, 4], expected.detach())
    with pytest.raises(ModelError, match="returns 2 outputs, and an effect is computed from one"):
        saturation_mutagenesis(model, X, (controls,))
    counts = saturation_mutagenesis(model, X, (controls,), func=lambda y: y[1])
    assert counts.shape == (2, 4, 60)


class Looks(nn.Module):
    """Branches on a value, so that it cannot be recorded."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, X):
        y = X[:, 0].sum(1, keepdim=True) * self.weight
        return y if bool((y > 0).all()) else -y


class Writes(Looks):
    def forward(self, X):
        x = X * self.weight
        part = x[:, :, :10]
        x += 1
        return part.sum((1, 2))[:, None]


class Fills(Looks):
    """Writes into a constant of its own, which the sequence then reads."""

    def forward(self, X):
        mask = torch.zeros(len(X), 1, X.shape[2], dtype=X.dtype)
        mask[:, :, :10] = 1
        return (X * mask).sum((1, 2))[:, None] * self.weight


class Batches(Looks):
    """Mixes the examples of a batch."""

    def forward(self, X):
        return X.sum((1, 2))[:, None] * self.weight / X.shape[0]


@pytest.mark.parametrize("model", [Looks(), Writes()])
def test_what_cannot_be_recorded_is_predicted_in_full(model, monkeypatch):
    monkeypatch.setattr(saturation, "propagate", None)
    found = saturation_mutagenesis(model, windows(1, 30), batch_size=1, raw_outputs=True)
    expected = saturation_mutagenesis(
        model, windows(1, 30), batch_size=1, raw_outputs=True, fast=False
    )
    assert torch.equal(found.y_hat, expected.y_hat)


class Means(Looks):
    def forward(self, X):
        return (X - X.mean(0)).sum(2)[:, :1] * self.weight


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Looks(), "__bool__ looks at a value of the sequence"),
        (Writes(), "add_ changes a tensor that others are views of"),
        (Fills(), "__setitem__ writes into a tensor"),
        (Means(), "mean mixes the windows of a batch"),
    ],
)
def test_the_log_says_once_why_the_path_is_off(model, reason, caplog, monkeypatch):
    monkeypatch.setattr(fast_path, "_reasons", {})
    X = windows(2, 30)
    with pytest.raises(FastPathOff, match=reason), require(PATH):
        saturation_mutagenesis(model, X, batch_size=1)
    with caplog.at_level(logging.WARNING):
        saturation_mutagenesis(model, X, batch_size=1)
        saturation_mutagenesis(model, X, batch_size=1)
    line = f"fast path: off, because {reason} ({PATH} in full)"
    assert [each.getMessage() for each in caplog.records] == [line]
    assert fast_path.reasons() == [line]


def test_a_model_that_mixes_its_batch_is_noticed():
    with pytest.raises(FastPathOff, match="propagated values differ by"), require(PATH):
        saturation_mutagenesis(Batches(), windows(1, 30), batch_size=1)


def test_a_disagreement_is_said_and_predicts_in_full(monkeypatch):
    model, X = made("cnn"), windows(1, 60)
    expected = saturation_mutagenesis(model, X, fast=False)
    right = saturation.propagate
    monkeypatch.setattr(saturation, "propagate", lambda *args: right(*args) + 1)
    reason = "propagated values differ by 1 from the model's"
    with pytest.raises(FastPathOff, match=reason), require(PATH):
        saturation_mutagenesis(model, X)
    assert torch.equal(saturation_mutagenesis(model, X), expected)


class Dilated(nn.Module):
    """Arguments that are NumPy's integers, as OpenSpliceAI's are, or given by name."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(4, 5, 1)
        self.convs = nn.ModuleList(
            nn.Conv1d(5, 5, int(w), dilation=d, padding=d * (w - 1) // 2)
            for w, d in zip(np.asarray([11, 11]), np.asarray([1, 4]))
        )

    def forward(self, X):
        x = self.first(X)
        for conv in self.convs:
            x = x + torch.relu(input=F.conv1d(x, conv.weight, conv.bias, np.int64(1),
                                        conv.padding[0], conv.dilation[0]))  # fmt: skip
        return x.mean(2)


class Mapped(Looks):
    """torch.vmap within the forward, as in Borzoi's attention."""

    def forward(self, X):
        y = torch.vmap(lambda x: torch.relu(x).flip(1).cumsum(1))(X)
        return y.mean((1, 2))[:, None] * self.weight


def test_arguments_of_all_kinds():
    torch.manual_seed(0)
    model, X = Dilated().double().eval(), windows(1, 60)
    with require(PATH):
        found = saturation_mutagenesis(model, X)
    torch.testing.assert_close(found, saturation_mutagenesis(model, X, fast=False))


def test_whatever_the_path_raises_the_model_runs_in_full(monkeypatch):
    model, X = Mapped().eval(), windows(2, 30)
    with pytest.raises(FastPathOff, match="off, because"), require(PATH):
        saturation_mutagenesis(model, X)
    expected = saturation_mutagenesis(model, X, fast=False)
    assert torch.equal(saturation_mutagenesis(model, X), expected)

    def broken(*_):
        raise MemoryError

    monkeypatch.setattr(saturation, "propagate", broken)
    model, X = made("cnn"), windows(2, 60)
    with pytest.raises(FastPathOff, match=r"off, because MemoryError \("), require(PATH):
        saturation_mutagenesis(model, X)
    expected = saturation_mutagenesis(model, X, fast=False)
    assert torch.equal(saturation_mutagenesis(model, X), expected)


def test_an_error_of_the_model_itself_is_shown():
    with pytest.raises(RuntimeError, match="expected input.* to have 3 channels"):
        saturation_mutagenesis(nn.Conv1d(3, 2, 3).double(), windows(1, 30))


def test_projection_tokens_and_n():
    model, X = made("cnn").float(), windows(2, 60).float()
    hypothetical = saturation_mutagenesis(model, X, hypothetical=True)
    assert torch.equal(saturation_mutagenesis(model, X), hypothetical * X)
    assert hypothetical.sum(1).abs().max() < 1e-5 and hypothetical[0, :, 4].abs().max() > 0
    tokens = torch.where(X.sum(1) == 0, 4, X.argmax(1)).to(torch.uint8)
    assert torch.equal(saturation_mutagenesis(model, tokens, hypothetical=True), hypothetical)
    assert dtype_of(model) == hypothetical.dtype


def test_errors():
    model, X = made("cnn"), windows(1, 60)
    for start, end in ((-1, 5), (5, 5), (0, 61), (10, -60)):
        with pytest.raises(SequenceError, match="not a span within 60 bp"):
            saturation_mutagenesis(model, X, start=start, end=end)
    with pytest.raises(SequenceError, match="no sequences"):
        saturation_mutagenesis(model, X[:0])
    with pytest.raises(SequenceError):
        saturation_mutagenesis(model, X * 0.5)
