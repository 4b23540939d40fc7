"""`device=None` means one thing in every function: the GPU if there is one, else the CPU."""

import inspect
from importlib import import_module

import pytest
import torch

import cisweep.analysis
from cisweep.analysis import (
    apply_pairwise,
    apply_product,
    attribute,
    beam_substitution,
    deep_lift_shap,
    design,
    greedy_pruning,
    greedy_substitution,
    input_x_gradient,
    integrated_gradients,
    predict,
    predict_tiles,
    saliency,
    saturation_mutagenesis,
)
from cisweep.sequence import one_hot_tokens

X = one_hot_tokens(torch.zeros(2, 20, dtype=torch.uint8))
EDITED = one_hot_tokens(torch.ones(2, 20, dtype=torch.uint8))
CALLS = {
    "predict": lambda net: predict(net, X),
    "saturation_mutagenesis": lambda net: saturation_mutagenesis(net, X),
    "attribute": lambda net: attribute(net, X, EDITED[:, None]),
    "deep_lift_shap": lambda net: deep_lift_shap(net, X, references=EDITED[:, None]),
    "integrated_gradients": lambda net: integrated_gradients(net, X, references=EDITED[:, None]),
    "input_x_gradient": lambda net: input_x_gradient(net, X),
    "saliency": lambda net: saliency(net, X),
    "design": lambda net: design(net, X, torch.ones(1, 1), max_iter=1),
    "greedy_pruning": lambda net: greedy_pruning(net, X, EDITED, 0.0),
    "greedy_substitution": lambda net: greedy_substitution(net, X[:1]),
    "beam_substitution": lambda net: beam_substitution(net, X[:1]),
    "apply_pairwise": lambda net: apply_pairwise(predict, net, X, [torch.ones(1, 1)]),
    "apply_product": lambda net: apply_product(predict, net, X, [torch.ones(1, 1)]),
}
MODULES = (
    "prediction.predict",
    "mutagenesis.saturation_mutagenesis",
    "attribution.rescale.blocks",
    "sequence_design.design",
    "sequence_design.greedy_pruning",
)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.out = torch.nn.Linear(80, 1)

    def forward(self, X):
        return self.out(X.flatten(1))


class Asked(Exception):
    """The device of None was asked for."""


@pytest.mark.parametrize("name", CALLS)
def test_none_is_the_gpu_if_there_is_one(name, monkeypatch):
    def asked(device):
        assert device is None
        raise Asked

    for module in MODULES:
        place = import_module(f"cisweep.analysis.{module}")
        monkeypatch.setattr(place, "resolve_device", asked)
    with pytest.raises(Asked):
        CALLS[name](Net())


def test_every_function_of_the_api_with_a_device_is_tried_here():
    # predict_tiles hands its device to predict, and what takes a `func` to that.
    with_device = {
        name
        for name in cisweep.analysis.__all__
        if "device" in inspect.signature(getattr(cisweep.analysis, name)).parameters
    }
    assert predict_tiles.__name__ in with_device
    assert with_device - {"predict_tiles"} <= set(CALLS)


@pytest.mark.parametrize("name", ["design", "greedy_pruning"])
def test_a_model_is_left_as_it_was_found(name):
    net = Net().train()
    net.out.bias.requires_grad_(False)
    CALLS[name](net)
    assert net.training and net.out.training
    assert net.out.weight.requires_grad and not net.out.bias.requires_grad
