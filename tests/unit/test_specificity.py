"""How specific predictions are: each formula against its definition, written out."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cisweep.analysis.prediction.peak_selection import PeakRules, predicted_peaks
from cisweep.analysis.prediction.specificity import (
    from_zero,
    gini_of_highest,
    proportions,
    specificity,
    z_scores,
)
from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows
from cisweep.steps.select import STEP, SelectConfig

POSITIVE = arrays(np.float64, (3, 5), elements=st.floats(0.1, 100))


def test_values_of_each_scale_become_numbers_from_zero():
    scales = ["logit", "probability", "log_counts", "log1p_counts", "counts"]
    values = np.array([[0.0, 0.3, np.log(8), np.log(9), 5.0], [-1e4, 0.0, -1e4, -2.0, -0.5]])
    np.testing.assert_allclose(from_zero(values, scales), [[0.5, 0.3, 8, 8, 5], [0, 0, 0, 0, 0]])
    large = from_zero(np.array([[1e4, 1, 1e4, 1e4, 1]]), scales)
    assert np.isfinite(large).all() and large[0, 0] == 1


@given(POSITIVE)
def test_proportions_are_shares_of_the_sum(values):
    found = proportions(values)
    for row, shares in zip(values, found):
        np.testing.assert_allclose(shares, [v / sum(row) for v in row])
    assert not proportions(np.zeros((1, 4))).any()


@given(POSITIVE)
def test_z_is_in_deviations_above_the_mean(values):
    for row, z in zip(values, z_scores(values)):
        sd = (sum((v - sum(row) / 5) ** 2 for v in row) / 5) ** 0.5
        wanted = [(v - sum(row) / 5) / sd if sd > 1e-9 else 0 for v in row]
        if sd > 1e-9 or sd == 0:
            np.testing.assert_allclose(z, wanted, rtol=1e-6, atol=1e-6)
    assert not z_scores(np.full((1, 4), 7.0)).any()


@given(POSITIVE)
def test_gini_is_half_the_relative_mean_difference(values):
    for row, found in zip(values, gini_of_highest(values)):
        differences = sum(abs(a - b) for a in row for b in row)
        wanted = differences / (2 * 5 * sum(row))
        best = list(row).index(max(row))
        assert found[best] == pytest.approx(wanted, abs=1e-5)
        assert not np.delete(found, best).any()
    assert gini_of_highest(np.array([[0.0, 9, 0, 0]]))[0].tolist() == pytest.approx([0, 0.75, 0, 0])


def test_logits_are_compared_as_probabilities():
    values = np.array([[0.0, -40.0], [3.0, 3.0]])
    np.testing.assert_allclose(
        specificity(values, ["logit"] * 2, "proportion"), [[1, 0], [0.5, 0.5]], atol=1e-12
    )
    np.testing.assert_allclose(specificity(values, ["logit"] * 2, "z"), [[1, -1], [0, 0]])


@pytest.mark.parametrize(
    ("scales", "step", "message"),
    [
        (("logit", "logit", "counts"), {}, "different scales (probability, counts) are not"),
        (("logit", "probability"), {}, None),
        (("logit", "probability"), {"specificity": "z"}, "different scales (logit, probability)"),
        (("counts", "log_counts", "log1p_counts"), {"specificity": "gini"}, None),
        (("value", "value"), {}, "of targets of scale value, which may be below 0, there is no "
                                 "proportion; use specificity: z"),
        (("value", "value"), {"specificity": "z"}, None),
        (("logit", "logit", "counts"), {"targets": ["t0"], "among": ["t0", "t1"]}, None),
        (("logit", "logit"), {"among": ["t0", "t7"]}, "no model has the target 't7'"),
    ],
)  # fmt: skip
def test_targets_that_are_compared_are_of_one_scale(scales, step, message):
    targets = [{"name": f"t{i}", "scale": scale} for i, scale in enumerate(scales)]
    model = ModelConfig.model_validate(
        {"adapter": "state_dict", "module": "Linear", "window_bp": 8, "targets": targets,
         "folds": [{"weights": "w"}]}
    )  # fmt: skip
    config = SelectConfig(by="specificity", top_n=5, **step)
    run = SimpleNamespace(steps=SimpleNamespace(select=config))
    found = STEP.faults(run, {"m": model})
    if message is None:
        assert found == []
    else:
        assert len(found) == 1 and message in found[0], found


@pytest.mark.parametrize("measure", ["proportion", "z", "gini"])
@pytest.mark.parametrize("cuts", [[0, 200], [0, 3, 64, 130, 200]])
def test_the_most_specific_of_those_that_pass_are_kept(measure, cuts):
    """By a loop: maxima of each target, of those above the threshold the n most specific."""
    values = np.random.default_rng(1).normal(size=(200, 4)).astype(np.float32)
    windows = Windows.build(["c"] * 200, np.arange(0, 2000, 10), np.arange(10, 2010, 10))
    by = specificity(values, ["logit"] * 4, measure)
    rules = PeakRules(15, top_n=3, threshold=0.2, specificity=lambda v: by_rows(v)[:, [0, 2]])

    def by_rows(v):
        return specificity(v, ["logit"] * 4, measure)

    blocks = [(windows.take(slice(a, b)), values[a:b]) for a, b in zip(cuts, cuts[1:])]
    found = predicted_peaks(lambda: blocks, ["t0", "t1"], rules, columns=[0, 2]).peaks
    wanted = []
    for name, t in (("t0", 0), ("t1", 2)):
        column = values[:, t]
        maxima = [
            i for i in range(200)
            if all(column[i] > column[j] for j in (i - 1, i + 1) if 0 <= j < 200)
        ]  # fmt: skip
        passing = sorted((i for i in maxima if column[i] >= 0.2), key=lambda i: (-by[i, t], i))
        wanted += [(10 * i, name, float(column[i]), by[i, t]) for i in passing[:3]]
    rows = found[["start", "target", "prediction", "specificity"]].to_records(index=False).tolist()
    assert [r[:3] for r in rows] == [w[:3] for w in sorted(wanted)]
    np.testing.assert_allclose([r[3] for r in rows], [w[3] for w in sorted(wanted)])
