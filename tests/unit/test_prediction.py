"""predict against the model itself, and the promises on batches, inputs and the model's state."""

import pytest
import torch
from tangermeme.predict import predict as tangermeme_predict
from torch import nn

from cisweep.analysis import predict
from cisweep.analysis.prediction import predict as prediction
from cisweep.analysis.prediction.predict import predict_stream
from cisweep.engine.policy import FastPathOff, require
from cisweep.engine.replay import Replay, replay_of
from cisweep.errors import ModelError
from cisweep.models.modules import CNN, BPNet


def windows(n, length, seed=0, dtype=torch.float32):
    tokens = torch.randint(0, 4, (n, length), generator=torch.Generator().manual_seed(seed))
    return nn.functional.one_hot(tokens, 4).transpose(1, 2).to(dtype)


@pytest.fixture
def bpnet():
    torch.manual_seed(0)
    return BPNet(8, 3, n_control_tracks=2).eval()


@pytest.fixture
def cnn():
    torch.manual_seed(0)
    return CNN(33, first_width=5).eval()


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv1d(4, 20, 7, padding=3)
        self.attention = nn.MultiheadAttention(20, 2, batch_first=True)
        self.output = nn.Linear(20, 3)

    def forward(self, X):
        x = torch.relu(self.embed(X)).transpose(1, 2)
        return self.output((x + self.attention(x, x, x)[0]).mean(1))


def test_several_inputs_and_outputs(bpnet):
    X, controls = windows(5, 200), torch.rand(5, 2, 200)
    profile, counts = predict(bpnet, X, args=(controls,), batch_size=2)
    with torch.no_grad():
        expected = bpnet(X, controls)
    torch.testing.assert_close(profile, expected[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(counts, expected[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.bool, torch.float64])
def test_any_dtype_in(cnn, dtype):
    X = windows(7, 50)
    assert torch.equal(predict(cnn, X.to(dtype)), predict(cnn, X))


def test_tokens_with_n(cnn):
    tokens = torch.randint(0, 5, (9, 50), dtype=torch.uint8)
    X = nn.functional.one_hot(tokens.long(), 5)[:, :, :4].transpose(1, 2).float()
    assert torch.equal(predict(cnn, tokens), predict(cnn, X))


def test_func_and_dtype(cnn):
    X = windows(5, 50)
    assert torch.equal(predict(cnn, X, func=torch.sigmoid), torch.sigmoid(predict(cnn, X)))
    double = CNN(33, first_width=5).double().eval()
    assert predict(double, X).dtype == torch.float64
    half, single = predict(cnn, X, dtype="bfloat16").float(), predict(cnn, X)
    # bfloat16 rounds by up to 2^-8 of a number: ten operations, all in one direction.
    assert 0 < (half - single).abs().max() <= 10 * 2.0**-8 * single.abs().max()


class Bare(nn.Module):
    """A convolution whose activations are channels-last, a batch norm, two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv1d(4, 20, 5), nn.BatchNorm1d(20)
        self.hidden, self.out = nn.Linear(20, 7), nn.Linear(7, 3)

    def forward(self, X):
        y = self.hidden(torch.relu(self.norm(self.conv(X))).mean(2))
        return self.out(y), y


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", torch.float16, torch.bfloat16])
def test_outputs_have_the_dtype_that_is_asked_for(dtype):
    torch.manual_seed(0)
    model, X = Bare().eval(), windows(5, 50, dtype=torch.int8)
    found, single = predict(model, X, dtype=dtype, device="cpu"), predict(model, X, device="cpu")
    theirs = tangermeme_predict(model, X, dtype=dtype, device="cpu")
    for half, whole, peer in zip(found, single, theirs, strict=True):
        kind = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        assert half.dtype == peer.dtype == kind and whole.dtype == torch.float32
        # Ten roundings of a half, all in one direction.
        bound = 10 * torch.finfo(kind).eps / 2 * whole.abs().max()
        assert 0 < (half.float() - whole).abs().max() <= bound


def test_a_dtype_that_torch_has_not_is_an_error(cnn):
    with pytest.raises(ModelError, match="dtype is 'float17', which is no dtype of torch.*float16"):
        predict(cnn, windows(2, 50), dtype="float17")


@pytest.mark.parametrize("length", [30, 50, 333, 2114])
@pytest.mark.parametrize("kind", ["cnn", "attention", "bpnet"])
def test_bytes_depend_on_neither_row_nor_neighbours(kind, length, cnn):
    torch.manual_seed(1)
    if kind == "bpnet" and length < 200:
        pytest.skip("shorter than the network")
    made = {"cnn": lambda: cnn, "attention": Attention, "bpnet": lambda: BPNet(8, 3, 1)}
    model = made[kind]().eval()
    n = 45 if length < 2000 else 5
    X = windows(n, length)
    first = predict(model, X, batch_size=8)
    order = torch.randperm(n)
    second = predict(model, X[order], batch_size=8)
    third = predict(model, X[n - 3 :], batch_size=8)
    if isinstance(first, torch.Tensor):
        first, second, third = [first], [second], [third]
    for a, b, c in zip(first, second, third, strict=True):
        assert torch.equal(a[order], b)
        assert torch.equal(a[n - 3 :], c)


@pytest.mark.parametrize("batch_size", [1, 3, 32, 1000])
def test_batch_sizes_agree(cnn, batch_size):
    X = windows(10, 50)
    expected = predict(cnn, X, batch_size=4)
    torch.testing.assert_close(predict(cnn, X, batch_size=batch_size), expected, rtol=0, atol=1e-5)


def test_every_batch_has_one_shape(cnn):
    shapes = set()
    cnn.conv.register_forward_pre_hook(lambda _, inputs: shapes.add(tuple(inputs[0].shape)))
    predict(cnn, windows(10, 50), batch_size=4)
    assert shapes == {(4, 4, 50)}


def test_stream_gives_batches_without_changing_the_grad_mode(cnn):
    X = windows(10, 50)
    seen = []
    for start, outputs, single in predict_stream(cnn, X, batch_size=4):
        assert single and torch.is_grad_enabled()
        seen.append((start, outputs[0]))
    assert [start for start, _ in seen] == [0, 4, 8]
    assert torch.equal(torch.cat([y for _, y in seen]), predict(cnn, X, batch_size=4))


def test_model_is_left_as_it_was_found(cnn):
    cnn.train()
    cnn.dilated.eval()
    before = {name: p.clone() for name, p in cnn.state_dict().items()}
    predict(cnn, windows(3, 50))

    def fail(_):
        raise RuntimeError("from func")

    with pytest.raises(RuntimeError, match="from func"):
        predict(cnn, windows(3, 50), func=fail)
    assert cnn.training and not cnn.dilated.training and cnn.conv.training
    assert all(torch.equal(p, before[name]) for name, p in cnn.state_dict().items())
    assert all(p.requires_grad for p in cnn.parameters())


class Flattening(nn.Module):
    """Uses view, which needs the strides of a plain convolution."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 64, 5)
        self.norm = nn.BatchNorm1d(64)
        self.output = nn.Linear(64 * 46, 2)

    def forward(self, X):
        x = nn.functional.leaky_relu(self.norm(self.conv(X)))
        return self.output(x.view(x.shape[0], -1)).view(-1, 2, 1)


def test_view_and_batch_norm_after_a_convolution():
    torch.manual_seed(0)
    model = Flattening()
    model(windows(8, 50))  # moves the running statistics off 0 and 1
    model.eval()
    with torch.no_grad():
        expected = model(windows(5, 50))
    torch.testing.assert_close(predict(model, windows(5, 50)), expected, rtol=1e-5, atol=1e-6)


class Shifting(nn.Module):
    """Its rectified tensors are read again, and seen through views."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(4, 64, 5, padding=2), nn.Conv1d(64, 64, 3, padding=1)
        self.unread = nn.Conv1d(64, 2, 19)

    def forward(self, X):
        first = self.a(X)
        part = first[:, :, 3:7]
        x = torch.relu(first)
        y = self.b(x)
        z = torch.relu(y) + x
        self.unread(z)
        return z.mean(2) + y.amax(2), part.sum(2), torch.relu(y + z).sum(2)


class Looking(nn.Module):
    def forward(self, X):
        return X.sum(2) if bool((X > 0).any()) else X[:, :, 0]


@pytest.mark.parametrize("kind", ["shifting", "cnn", "bpnet"])
def test_a_replay_has_the_bits_of_the_model(kind, cnn, monkeypatch):
    torch.manual_seed(0)
    model = {"shifting": Shifting, "cnn": lambda: cnn, "bpnet": lambda: BPNet(64, 3)}[kind]()
    X = windows(260, 200)
    with require("prediction"):
        found = predict(model, X, batch_size=16)
    monkeypatch.setattr(prediction, "_REPLAYED", 1000)
    expected = predict(model, X, batch_size=16)
    if isinstance(found, torch.Tensor):
        found, expected = [found], [expected]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_hooks_and_values_forbid_a_replay(cnn):
    X = windows(1, 50)
    assert replay_of(cnn.eval(), X, ()).recording.calls
    handle = cnn.conv.register_forward_hook(lambda *_: None)
    with pytest.raises(FastPathOff, match="the model has hooks"):
        replay_of(cnn, X, ())
    handle.remove()
    with pytest.raises(FastPathOff, match="looks at a value of the sequence"):
        replay_of(Looking(), X, ())


def test_a_replay_that_differs_is_not_taken(monkeypatch):
    torch.manual_seed(0)
    model, X = Shifting().eval(), windows(260, 200)
    expected = predict(model, X[:20], batch_size=16)
    # Everything may be overwritten, also what is read again.
    monkeypatch.setattr(
        Replay,
        "_in_place",
        lambda self: {
            k: call.inputs[0]
            for k, call in enumerate(self.recording.calls)
            if call.function is torch.relu
        },
    )
    with pytest.raises(FastPathOff, match="replayed outputs differ by"), require("prediction"):
        predict(model, X, batch_size=16)
    found = predict(model, X, batch_size=16)
    assert all(torch.equal(a[:20], b) for a, b in zip(found, expected, strict=True))


def test_errors(cnn, bpnet):
    X = windows(4, 50)
    with pytest.raises(ModelError, match="no windows to predict"):
        predict(cnn, X[:0])
    with pytest.raises(ModelError, match=r"args\[0\] has 3 rows and X has 4"):
        predict(bpnet, X, args=(torch.rand(3, 2, 50),))
    with pytest.raises(ModelError, match="tokens are uint8"):
        predict(cnn, torch.zeros(4, 50))
    with pytest.raises(ModelError, match="batch_size is 0"):
        predict(cnn, X, batch_size=0)
    with pytest.raises(ModelError, match="returned dict, neither a tensor"):
        predict(cnn, X, func=lambda y: {"y": y})
    with pytest.raises(ModelError, match=r"output has shape \(2,\) for a batch of 32"):
        predict(cnn, X, func=lambda y: y.mean(0))
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="device 'cuda' is requested, .* no usable GPU"):
            predict(cnn, X, device="cuda")
