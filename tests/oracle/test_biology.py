"""What the demo model, and the frozen first one, have learnt of CTCF and PU.1."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cisweep.analysis.prediction.predict import predict
from cisweep.config.model import file_sha256
from cisweep.models import load_model, target_module
from cisweep.plan.run_config import read_model_config
from cisweep.sequence import insert, random_one_hot, substitute

FIRST = Path(__file__).parents[1] / "data" / "first_ctcf_pu1.yaml"
FIRST_WEIGHTS = "7568fe54c777473f2dd1ff981acdceaa9cb72839773403c1d5a60376d823bad6"
CTCF = "CCACCAGGGGGCGCT"
PU1 = "AAAGAGGAAGTG"
# Of windows one in 127 holds a site of CTCF and one in 266 one of PU.1 (the model's card):
# logits of -4.8 and -5.6. A rise of 5 makes a site of CTCF as likely as not, one of 8 gives a
# probability of 0.96 and 0.92, and 6 is more than the odds against the rarer factor. The words
# reversed, complemented or shuffled raise a median window by 2 at most.
AS_LIKELY_AS_NOT, PROBABLE, BEYOND_THE_ODDS = 5, 8, 6


def load(path: Path) -> torch.nn.Module:
    config = read_model_config(path)
    return target_module(load_model(config), config.targets, config.rc)


@pytest.fixture(scope="module")
def first() -> torch.nn.Module:
    return load(FIRST)


@pytest.fixture(scope="module", params=["demo", "first"])
def model(request, resources, first) -> torch.nn.Module:
    return first if request.param == "first" else load(resources / "models" / "ctcf_pu1.yaml")


def test_the_first_model_is_frozen():
    assert file_sha256(FIRST.with_suffix(".safetensors")) == FIRST_WEIGHTS


def change_by(model: torch.nn.Module, motif: str) -> np.ndarray:
    """Return the change (20, 2) of both logits when `motif` is inserted into random windows."""
    windows = random_one_hot((20, 4, 200), random_state=0).float()
    # Inserted, not written over: what was there moves aside, so nothing is lost but the ends.
    after = predict(model, insert(windows, motif)[:, :, 7:207])
    return (after - predict(model, windows)).numpy()


def test_the_ctcf_consensus_raises_ctcf_and_not_pu1(model):
    change = change_by(model, CTCF)
    assert np.median(change[:, 0]) >= PROBABLE
    assert (change[:, 0] >= AS_LIKELY_AS_NOT).all()
    assert (change[:, 0] - change[:, 1] >= BEYOND_THE_ODDS).all()


def test_in_the_first_model_the_ctcf_consensus_does_not_raise_pu1(first):
    assert (change_by(first, CTCF)[:, 1] <= 0).all()


def test_the_pu1_consensus_raises_pu1_and_not_ctcf(model):
    change = change_by(model, PU1)
    assert np.median(change[:, 1]) >= PROBABLE
    assert (change[:, 1] - change[:, 0] >= BEYOND_THE_ODDS).all()


def test_both_strands_of_the_consensus_count_the_same(model):
    windows = random_one_hot((4, 4, 200), random_state=1).float()
    edited = substitute(windows, CTCF)
    np.testing.assert_allclose(
        predict(model, edited).numpy(), predict(model, edited.flip(1, 2)).numpy(), atol=1e-5
    )
