"""Models that must be refused: another one after each forward, or without a gradient."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis import (
    design,
    greedy_pruning,
    input_x_gradient,
    integrated_gradients,
    predict,
    predict_tiles,
    saturation_mutagenesis,
    substitution_effect,
)
from cisweep.engine.running import steady
from cisweep.errors import AttributionError, DesignError, ModelError


class Drifting(nn.Module):
    """A norm that updates its statistics in eval mode too, as AlphaGenome's in PyTorch does."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv1d(4, 6, 5), nn.Linear(6, 2)
        self.register_buffer("running_var", torch.ones(6))

    def forward(self, X):
        x = self.conv(X)
        with torch.no_grad():
            self.running_var.lerp_(x.var(dim=(0, 2)).to(self.running_var), 0.1)
        return self.head((x / self.running_var[:, None].sqrt()).relu().mean(2))


class Letters(nn.Module):
    """A model of letters, looked up by their index."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(4, 6), nn.Linear(6, 2)

    def forward(self, X):
        return self.head(self.embedding(X.argmax(1)).mean(1))


def one_hot(n, length=30):
    tokens = torch.randint(0, 4, (n, length), generator=torch.Generator().manual_seed(n))
    return F.one_hot(tokens, 4).transpose(1, 2).float()


X = one_hot(3)
CALLS = {
    "predict": lambda m: predict(m, X),
    "mutagenesis": lambda m: saturation_mutagenesis(m, X, start=3, end=5, target=0),
    "substitution": lambda m: substitution_effect(m, X, torch.tensor([[0, 3, 1], [1, 3, 2]])),
    "gradient": lambda m: input_x_gradient(m, X),
    "design": lambda m: design(m, X[:1], torch.ones(1, 2), max_iter=2),
    "pruning": lambda m: greedy_pruning(m, X[:1], X[1:2]),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_model_that_a_forward_changes_is_refused(call):
    torch.manual_seed(0)
    with pytest.raises(ModelError, match=r"Drifting: the model changes running_var when it pred"):
        CALLS[call](Drifting())


def test_no_statistics_are_updated_in_tiles_either():
    with pytest.raises(ModelError):
        predict_tiles(Drifting(), torch.zeros(90, dtype=torch.uint8), 30, 5)


def test_training_statistics_may_change_before_and_weights_may_be_lazy():
    model = nn.Sequential(nn.LazyConv1d(5, 3), nn.BatchNorm1d(5), nn.Flatten(), nn.LazyLinear(2))
    assert predict(model, X).shape == (3, 2)
    model.train()(X)
    assert predict(model, X).shape == (3, 2) and model.training
    message = r"changes 1\.running_mean and 2 others .* depends on those before it\. Mend: switch"
    with pytest.raises(ModelError, match=message), steady(model):
        model(X)
    with pytest.raises(ModelError, match=r"running_mean and 1 others"), steady(model[1]):
        norm = model[1]  # whose kernel does not count the change
        F.batch_norm(torch.randn(8, 5, 9), norm.running_mean, norm.running_var, training=True)


def test_a_target_without_a_gradient_is_refused():
    torch.manual_seed(0)
    model = Letters()
    message = (
        r"target 1 changes with the sequence and has no gradient .*argmax.* Mend: give the model "
        r"the one-hot sequence itself.*saturation mutagenesis"
    )
    for method in (input_x_gradient, integrated_gradients):
        with pytest.raises(AttributionError, match=message):
            method(model, X, target=1)
    with pytest.raises(DesignError, match=r"has no gradient .* Mend: give the model the one-hot"):
        CALLS["design"](model)
    own = dict(output_loss=nn.MSELoss(), max_iter=2)
    with pytest.raises(DesignError, match="has no gradient"):
        design(model, X[:1], torch.ones(1, 2), **own)


def test_a_constant_target_has_attributions_of_zero():
    class Constant(nn.Module):
        def forward(self, X):
            return torch.cat([X[:, 0].mean(1, keepdim=True), X.new_ones(len(X), 1)], 1)

    found = input_x_gradient(Constant(), X, target=[0, 1])
    assert (found[0] != 0).any() and (found[1] == 0).all()
