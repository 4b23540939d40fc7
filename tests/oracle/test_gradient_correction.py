"""The part of a gradient that points off the simplex of sequences, taken off (Majdandzic 2023)."""

import numpy as np
import pytest
import torch
from torch import nn

from cisweep.analysis import input_x_gradient, integrated_gradients, saliency
from cisweep.analysis.attribution.references import make_references
from cisweep.analysis.attribution.windows import attribute_windows
from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows
from cisweep.models import CNN
from cisweep.models.ensemble import Ensemble
from cisweep.steps.attribute import STEP, AttributeConfig

LENGTH, NODES = 14, 6


def bases(n: int, seed: int, with_n: bool = False) -> torch.Tensor:
    tokens = torch.from_numpy(np.random.default_rng(seed).integers(0, 4 + with_n, (n, LENGTH)))
    return nn.functional.one_hot(tokens, 5)[:, :, :4].transpose(1, 2).double()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    layers = (nn.Conv1d(4, 5, 5), nn.Softplus(), nn.Flatten(), nn.Linear(50, 2))
    return nn.Sequential(*layers).double().eval()


def gradient(model, X: torch.Tensor, target: int) -> torch.Tensor:
    X = X.clone().requires_grad_()
    return torch.autograd.grad(model(X)[:, target].sum(), X)[0]


def along_path(model, X, references, target) -> torch.Tensor:
    """Multipliers (N, n, 4, L) by hand: means of corrected gradients over the path."""
    places, weights = np.polynomial.legendre.leggauss(NODES)
    found = []
    for r in references.unbind(1):
        each = [
            w / 2 * gradient(model, r + (p + 1) / 2 * (X - r), target)
            for p, w in zip(places, weights)
        ]
        m = sum(each)
        found.append(m - m.mean(dim=1, keepdim=True))
    return torch.stack(found, 1)


@pytest.mark.parametrize("hypothetical", [True, False])
def test_input_x_gradient_is_corrected_as_saliency_is(model, hypothetical):
    X = bases(4, 1, with_n=True)
    options = {"hypothetical": hypothetical, "device": "cpu"}
    found = input_x_gradient(model, X, target=1, gradient_correction=True, **options)
    raw = gradient(model, X, 1)
    wanted = raw - raw.mean(dim=1, keepdim=True)
    torch.testing.assert_close(found, wanted if hypothetical else wanted * X)
    torch.testing.assert_close(found, saliency(model, X, target=1, **options))
    plain = input_x_gradient(model, X, target=1, **options)
    torch.testing.assert_close(plain, raw if hypothetical else raw * X)
    assert (plain - found).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["zeros", "with N", "bases", "uniform"])
def test_paths_are_corrected_where_they_leave_the_simplex(model, kind):
    X = bases(3, 2)
    references = {
        "zeros": torch.zeros(3, 1, 4, LENGTH, dtype=X.dtype),
        "with N": bases(6, 3, with_n=True).view(3, 2, 4, LENGTH),
        "bases": bases(6, 4).view(3, 2, 4, LENGTH),
        "uniform": torch.full((3, 1, 4, LENGTH), 0.25, dtype=X.dtype),
    }[kind]
    options = {
        "target": 1, "references": references, "n_steps": NODES, "hypothetical": True,
        "device": "cpu", "return_deltas": True,
    }  # fmt: skip
    found, deltas = integrated_gradients(model, X, gradient_correction=True, **options)
    m = along_path(model, X, references, 1)
    wanted = (m - (m * references).sum(dim=2, keepdim=True)).mean(dim=1)
    torch.testing.assert_close(found, wanted)
    dy = model(X)[:, 1:] - model(references.flatten(0, 1))[:, 1].view(3, -1)
    missed = dy - ((X[:, None] - references) * m).sum(dim=(2, 3))
    torch.testing.assert_close(deltas, missed)
    plain, complete = integrated_gradients(model, X, **options)
    if kind in ("bases", "uniform"):
        torch.testing.assert_close(found, plain)
        assert deltas.abs().max() < 1e-6
    else:
        assert (found - plain).abs().max() > 1e-3
        assert deltas.abs().max() > 1e-3 > complete.abs().max()


def test_a_job_of_the_workflow_corrects_what_is_averaged(tmp_path):
    torch.manual_seed(0)
    args = {"n_filters": 4, "first_width": 5, "dilations": [2], "n_outputs": 2}
    weights = tmp_path / "a.pt"
    torch.save(CNN(**args).state_dict(), weights)
    config = {
        "adapter": "state_dict", "module": "CNN", "module_args": args, "window_bp": 40,
        "targets": [{"name": "a", "tasks": [0]}, {"name": "b", "tasks": [1]}],
        "folds": [{"weights": str(weights)}],
    }  # fmt: skip
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 4, (5, 40)).astype(np.uint8)
    start = np.arange(5) * 50
    windows = Windows.build(["chr1"] * 5, start, start + 40, ["+", "-", ".", "-", "+"])
    model = Ensemble.load(ModelConfig.model_validate(config), "cpu")
    plain, found = (
        attribute_windows(
            model, windows, tokens, [], make_references("zeros", 1, 0, 1), batch_size=2,
            method="input_x_gradient", gradient_correction=correction,
        ).hypothetical
        for correction in (False, True)
    )  # fmt: skip
    wanted = plain - plain.mean(axis=2, keepdims=True)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.abs(found - plain).max() > 1e-3


def test_settings_without_the_correction_are_those_of_before():
    config = AttributeConfig(method="input_x_gradient")
    assert "gradient_correction" not in STEP.settings(config)
    corrected = config.model_copy(update={"gradient_correction": True})
    changed = STEP.settings(corrected)
    assert changed.pop("gradient_correction") is True and changed == STEP.settings(config)
