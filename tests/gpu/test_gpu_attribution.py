"""The same attributions on CPU and GPU, by tolerance; needs a CUDA device."""

import pytest
import torch

from cisweep.analysis import deep_lift_shap
from cisweep.models import BPNet, CountWrapper
from cisweep.sequence import dinucleotide_shuffle, random_one_hot

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return CountWrapper(BPNet(n_filters=16, n_layers=3)).eval()


@pytest.fixture(autouse=True)
def no_tf32():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_attributions(net):
    X = random_one_hot((3, 4, 2114), random_state=0).float()
    references = dinucleotide_shuffle(X, n=4, random_state=0).float()
    cpu = deep_lift_shap(net.cpu(), X, references=references, device="cpu")
    gpu = deep_lift_shap(net.to("cuda"), X, references=references, device="cuda")
    torch.testing.assert_close(gpu.cpu(), cpu, atol=1e-5, rtol=1e-4)
