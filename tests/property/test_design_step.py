"""Everything that the design step returns fulfils its constraints, or says that it cannot."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.analysis.sequence_design.chunk import DesignModels, Templates, design_chunk
from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows
from cisweep.models.ensemble import Ensemble
from cisweep.steps.design import DesignConfig

LENGTH = 50


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        weights = np.random.RandomState(3).normal(size=(4, LENGTH))
        self.weights = torch.nn.Parameter(torch.tensor(weights, dtype=torch.float32))

    def forward(self, X):
        return (X * self.weights).sum((1, 2))[:, None]


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from([None, 0, 3, 8]), st.sampled_from([1, 4]),
    st.sampled_from([None, (0.3, 0.6), (0.9, 1.0)]), st.sampled_from(["value", "maximise"]),
    st.sampled_from(["+", "-"]), st.booleans(),
)  # fmt: skip
def test_designs_and_baselines_fulfil_the_constraints_or_have_a_fault(
    seed, max_edits, distance, gc, kind, strand, with_priors
):
    draw = np.random.default_rng(seed)
    tokens = draw.integers(0, 4, (2, LENGTH)).astype(np.uint8)
    tokens[0, 20:23] = 4
    frozen = draw.random(tokens.shape) < 0.2
    frozen[0, 20:23] = False
    priors = np.zeros((2, 4, LENGTH), np.float32) if with_priors else None
    if with_priors:
        priors[:, 3] = np.where(tokens == 3, 0, -np.inf)  # no new T
    goals = {"g": [{"model": "m", "target": "t", "kind": kind, "value": 4.0}]}
    step = DesignConfig(
        goals=goals, max_edits=max_edits, min_distance_bp=distance, gc_range=gc, max_iter=10,
        samples=4, n_references=0, l=0.01, baselines=["random", "beam"],
    )  # fmt: skip
    config = ModelConfig(
        adapter="python", module="x:y", window_bp=LENGTH, targets=[{"name": "t"}],
        folds=[{"weights": "w"}],
    )  # fmt: skip
    models = DesignModels([Ensemble(config, [Linear()])], [], [("m", "t")], 1, "cpu")
    windows = Windows.build(["c", "c"], [0, 100], [LENGTH, 100 + LENGTH], [strand] * 2, ["a", "b"])
    for each in design_chunk(models, Templates(windows, tokens, frozen, priors), step, seed):
        template, held = tokens[each.window], frozen[each.window]
        assert (each.template == template).all()
        if each.fault:
            assert "no window was found" in each.fault and not each.reached
            continue
        for window in (each.full, each.pruned, *(b.tokens for b in each.baselines)):
            edits = np.flatnonzero((window != template) & (template != 4))
            assert (window[held] == template[held]).all()
            assert max_edits is None or len(edits) <= max_edits
            assert (np.diff(edits) >= distance).all()
            assert not with_priors or not ((window == 3) & (template != 3)).any()
            if gc is not None:
                share = np.isin(window, (1, 2)).sum() / (window != 4).sum()
                assert gc[0] - 1e-6 <= share <= gc[1] + 1e-6
        y = float(each.y["pruned"][0])
        assert each.reached == (y >= 4.0 if kind == "maximise" else abs(y - 4.0) <= 0.5)
