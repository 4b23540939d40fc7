"""steps.attribute.gradient_correction: what a job writes, when it runs again, what is said."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from cisweep.jobs import attribute
from cisweep.models.ensemble import Ensemble
from cisweep.report.sections.attribute import methods
from cisweep.sequence.encoding import one_hot_tokens
from cisweep.steps.attribute import STEP, AttributeConfig

STEPS = {"method": "input_x_gradient", "batch_size": 8, "targets": "all", "on_incomplete": "warn"}


@pytest.mark.parametrize("corrected", [False, True])
def test_a_job_writes_corrected_gradients(small_run, tmp_path, corrected):
    plan = small_run.plan(attribute=STEPS | {"gradient_correction": corrected})
    of = small_run.of_chunk(plan)
    found = attribute.attribute_windows_of(of, None)
    attribute.attribute_chunk(of, found, "cpu", tmp_path / "a.h5", tmp_path / "dropped.tsv")
    with h5py.File(tmp_path / "a.h5") as file:
        tokens, written = file["tokens"][:], file["attributions/pu1"][:]
    X = one_hot_tokens(torch.from_numpy(tokens)).requires_grad_()
    (fold,) = Ensemble.load(of.config, "cpu").folds
    (gradient,) = torch.autograd.grad(fold(X)[:, 1].sum(), X)
    if corrected:
        gradient = gradient - gradient.mean(dim=1, keepdim=True)
    wanted = (gradient * X.detach()).sum(dim=1)
    np.testing.assert_allclose(written, wanted, rtol=1e-3, atol=1e-5)
    assert np.abs(written).max() > 1e-3


def test_settings_change_with_the_correction_alone(small_run):
    without, off, on = (
        small_run.plan(attribute=STEPS | option).settings("attribute", "m")
        for option in ({}, {"gradient_correction": False}, {"gradient_correction": True})
    )
    assert without == off != on
    # What was written before there was the option: every field but this one.
    config = AttributeConfig(**STEPS)
    before = config.model_dump(mode="json", exclude={"gradient_correction", *STEP.unscoped})
    assert STEP.settings(config) == before


@pytest.mark.parametrize("method", ["input_x_gradient", "integrated_gradients"])
def test_the_page_tells_of_the_correction(method):
    said = [
        methods(SimpleNamespace(config=AttributeConfig(method=method, gradient_correction=on)))
        for on in (False, True)
    ]
    assert said[1] == (
        f"{said[0]} The mean over the four bases was taken off each gradient (Majdandzic et al. "
        "2023, Genome Biology 24)."
    )
    if method == "input_x_gradient":  # whose reference is a sequence of zeros
        assert "references" not in said[0]
