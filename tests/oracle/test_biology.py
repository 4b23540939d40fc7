"""What the frozen first demo model has learnt; the figures belong to this file of weights."""

from pathlib import Path

import numpy as np
import torch
import yaml

from cisweep.analysis.prediction import predict
from cisweep.config.model import ModelConfig, file_sha256
from cisweep.models import load_model, target_module
from cisweep.sequence import insert, random_one_hot, substitute

FIRST_MODEL = "7568fe54c777473f2dd1ff981acdceaa9cb72839773403c1d5a60376d823bad6"
CTCF = "CCACCAGGGGGCGCT"


def load(resources: Path) -> torch.nn.Module:
    data = yaml.safe_load((resources / "models" / "ctcf_pu1.yaml").read_text())
    data["folds"][0]["weights"] = resources / "models" / "ctcf_pu1.safetensors"
    assert file_sha256(data["folds"][0]["weights"]) == FIRST_MODEL
    config = ModelConfig.model_validate(data)
    return target_module(load_model(config), config.targets, config.rc)


def test_the_ctcf_consensus_raises_ctcf_and_not_pu1(resources):
    windows = random_one_hot((20, 4, 200), random_state=0).float()
    model = load(resources)
    before = predict(model, windows)
    # Inserted, not written over: what was there moves aside, so nothing is lost but the ends.
    after = predict(model, insert(windows, CTCF)[:, :, 7:207])
    change = (after - before).numpy()
    assert np.median(change[:, 0]) >= 8
    assert (change[:, 0] >= 5).sum() >= 18
    assert (change[:, 1] < 1).all()


def test_both_strands_of_the_consensus_count_the_same(resources):
    windows = random_one_hot((4, 4, 200), random_state=1).float()
    model = load(resources)
    edited = substitute(windows, CTCF)
    np.testing.assert_allclose(
        predict(model, edited).numpy(), predict(model, edited.flip(1, 2)).numpy(), atol=1e-5
    )
