"""The same predictions on a GPU, by tolerance: streamed outputs, tiles, mutagenesis."""

import pytest
import torch

from cisweep.analysis import predict, predict_tiles, saturation_mutagenesis
from cisweep.models.modules import CNN, BPNet

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def tokens(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 5, shape, generator=generator).to(torch.uint8)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_size", [7, 64])
def test_predict(batch_size):
    torch.manual_seed(0)
    model, X = BPNet(16, 4).eval(), tokens(100, 400)
    found = predict(model, X, batch_size=batch_size, device="cuda")
    for a, b in zip(found, predict(model, X, device="cpu"), strict=True):
        close(a, b)
    assert next(model.parameters()).device.type == "cpu"


def test_rows_of_a_batch_do_not_matter():
    torch.manual_seed(0)
    model, X = CNN().eval(), tokens(100, 100)
    order = torch.randperm(100)
    whole = predict(model, X, batch_size=32, device="cuda")
    assert torch.equal(predict(model, X[order], batch_size=32, device="cuda"), whole[order])


def test_tiles_and_mutagenesis():
    torch.manual_seed(0)
    model, X = BPNet(16, 3).eval(), tokens(1200)
    for a, b in zip(
        predict_tiles(model, X, 200, 50, device="cuda"),
        predict_tiles(model, X, 200, 50, device="cpu"),
        strict=True,
    ):
        close(a, b)
    cnn, X = CNN().eval(), tokens(2, 60)
    close(
        saturation_mutagenesis(cnn, X, device="cuda"), saturation_mutagenesis(cnn, X, device="cpu")
    )
