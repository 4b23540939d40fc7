"""What is said of weak targets and odd best epochs, and that later steps and the page repeat it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from pydantic import ValidationError
from torch import nn

from cisweep.config.model import ModelConfig, QualityConfig
from cisweep.plan.run_config import read_model_config
from cisweep.report.blocks import Heading, Section
from cisweep.report.doubts import doubt
from cisweep.steps.train import Recipe
from cisweep.train import metrics
from cisweep.train.data.datasets import TableDataset
from cisweep.train.data.weighting import at_base_rates
from cisweep.train.fitting import FitConfig, fit
from cisweep.train.judging.quality import epoch_remarks, quality_of
from cisweep.train.losses import scalar_objective


def recipe(task="multilabel", **more):
    data = {"kind": "table", "paths": ["t.tsv"], "values": ["a", "b"]}
    if task == "profile":
        data = {"kind": "signal", "genome": "g.fa", "signal": ["s.bw"], "peaks": "p.bed"}
        more = {"split": {"by": "regions", "validation": ["chr2"], "test": ["chr1"]}} | more
    module = "BPNet" if task == "profile" else "Linear"
    made = {"data": data, "task": task, "module": module} | more
    return Recipe.model_validate(made)


def row(task, scorer, value, metric="auroc", n=500, **more):
    return {"task": task, "scorer": scorer, "metric": metric, "value": value, "n": n} | more


def record(*rows, best=5, epochs=8):
    return {"metrics": list(rows), "summary": {"best_epoch": best, "epochs": epochs}}


@pytest.mark.parametrize(
    ("best", "epochs", "said"),
    [
        (1, 35, "epoch 1 of 35 was kept, among the first tenth"),
        (3, 35, "epoch 3 of 35 was kept"),
        (4, 35, None),
        (1, 5, "epoch 1 of 5 was kept"),
        (2, 5, None),
        (35, 35, "the last of 35 epochs was kept; more of them"),
        (1, 1, "the last of 1 epochs was kept"),
    ],
)
def test_odd_best_epochs(best, epochs, said):
    remarks = epoch_remarks([{"best_epoch": best, "epochs": epochs}])
    assert len(remarks) == (said is not None)
    assert said is None or said in remarks[0]
    two = epoch_remarks([{"best_epoch": 5, "epochs": 9}, {"best_epoch": best, "epochs": epochs}])
    assert [r.startswith("fold 1: ") for r in two] == [True] * len(remarks)


def test_a_target_below_its_matrix_and_one_near_chance():
    rows = [
        row("a", "model", 0.631, negatives="uniform", low=0.58, high=0.68),
        row("a", "matrix M1 ABF1", 0.863, negatives="uniform", low=0.8, high=0.9),
        row("a", "gc_content", 0.51, negatives="uniform", low=0.4, high=0.6),
        row("a", "model", 0.9, negatives="shuffled", low=0.88, high=0.92),
        row("a", "matrix M1 ABF1", 0.91, negatives="shuffled", low=0.88, high=0.93),
        row("b", "model", 0.541, negatives="uniform", low=0.51, high=0.58),
        row("b", "gc_content", 0.45, negatives="uniform", low=0.4, high=0.5),
    ]
    quality = quality_of(recipe(), ["a", "b"], [record(*rows)])
    a, b = quality.targets["a"], quality.targets["b"]
    assert (a.metric, a.value, a.rows, a.n) == ("auroc", 0.631, "uniform windows", 500)
    assert (a.baseline, a.baseline_value) == ("matrix M1 ABF1", 0.863)
    assert a.remarks == [
        "AUROC 0.631 against uniform windows is below that of matrix M1 ABF1, 0.863"
    ]
    assert b.remarks == ["AUROC 0.541 against uniform windows is near 0.5"]
    assert not quality.remarks


def test_a_target_that_ranks_well_but_puts_fewer_sites_first():
    rows = [
        row("a", "model", 0.93), row("a", "matrix M1 ABF1", 0.89),
        row("a", "model", 0.63, "auprc"), row("a", "matrix M1 ABF1", 0.64, "auprc"),
    ]  # fmt: skip
    quality = quality_of(recipe(), ["a", "b"], [record(*rows)]).targets["a"]
    assert (quality.metric, quality.value) == ("auroc", 0.93)
    assert quality.remarks == ["AUPRC 0.630 is below that of matrix M1 ABF1, 0.640"]


def test_few_rows_leave_an_auroc_near_chance():
    """Two of three pairs in order, but so few that an interval holds 0.5."""
    rows = [row("a", "model", 0.66, n=12, low=0.42, high=0.9), row("b", "model", 0.66, low=0.6)]
    targets = quality_of(recipe(), ["a", "b"], [record(*rows)]).targets
    assert targets["a"].remarks and not targets["b"].remarks
    ends = [row("a", "model", 0.66, low=0.5), row("b", "model", 0.66, low=0.501)]
    targets = quality_of(recipe(), ["a", "b"], [record(*ends)]).targets
    assert targets["a"].remarks == ["AUROC 0.660 is near 0.5"] and not targets["b"].remarks


def test_a_correlation_is_near_0_where_fishers_interval_holds_0():
    """Of 100 rows tanh(1.96 / sqrt(97)) = 0.1965 is the least that stands apart from 0."""
    rows = [row(t, "model", r, "pearson", n=100) for t, r in (("a", 0.195), ("b", 0.198))]
    targets = quality_of(recipe("regression"), ["a", "b"], [record(*rows)]).targets
    assert targets["a"].remarks == ["Pearson's r 0.195 is near 0"] and not targets["b"].remarks


def test_regressions_and_profiles():
    rows = [
        row("a", "model", 0.80, "pearson"), row("a", "kmer_ridge", 0.85, "pearson"),
        row("b", "model", 0.05, "pearson", n=100),
    ]  # fmt: skip
    targets = quality_of(recipe("regression"), ["a", "b"], [record(*rows)]).targets
    assert targets["a"].remarks == ["Pearson's r 0.800 is below that of kmer ridge, 0.850"]
    assert targets["b"].remarks == ["Pearson's r 0.050 is near 0"]
    rows = [
        row("profile", "model", 0.5, "pearson"), row("profile", "poisson_ceiling", 0.9, "pearson"),
        row("profile", "mean_profile", 0.6, "pearson"),
        row("counts", "model", 0.4, "pearson", subset="peaks"),
        row("counts", "poisson_ceiling", 0.9, "pearson", subset="peaks"),
    ]  # fmt: skip
    targets = quality_of(recipe("profile"), ["profile", "counts"], [record(*rows)]).targets
    assert not targets["counts"].remarks and targets["counts"].rows == "peaks"
    assert targets["profile"].remarks == ["Pearson's r 0.500 is below that of mean profile, 0.600"]


def test_classes_folds_and_targets_of_the_recipe():
    rows = [
        row("all", "model", 0.4, "accuracy"), row("all", "commonest", 0.5, "accuracy"),
        row("a", "model", 0.5), row("b", "model", 0.9),
    ]  # fmt: skip
    other = [row("a", "model", 0.9), row("b", "model", float("nan"))]
    wanted = [{"name": "both", "tasks": [0, 1], "reduce": "mean"}, {"name": "second", "tasks": [1]}]
    made = recipe("multiclass", targets=wanted)
    quality = quality_of(made, ["a", "b"], [record(*rows), record(*other, best=8)])
    assert quality.remarks == [
        "fold 1: the last of 8 epochs was kept; more of them (fit.epochs) may be better",
        "accuracy 0.400 is below that of commonest, 0.500",
    ]
    assert quality.targets["both"].value == 0.7 and quality.targets["both"].n == 1000
    # A fold that could not be judged leaves the other's figure.
    assert quality.targets["second"].value == 0.9
    undefined = quality_of(made, ["a", "b"], [record(row("b", "model", float("nan")))])
    assert undefined.targets["second"].value is None
    assert "is undefined" in undefined.targets["second"].remarks[0]


WEAK = {
    "remarks": ["epoch 1 of 35 was kept, among the first tenth"],
    "targets": {
        "ctcf": {"metric": "auroc", "value": 0.63, "remarks": ["AUROC 0.63 is below its matrix"]},
        "pu1": {"metric": "auroc", "value": 0.99},
    },
}


def weak_model(resources):
    config = read_model_config(resources / "models" / "ctcf_pu1.yaml")
    return config.model_copy(update={"quality": QualityConfig.model_validate(WEAK)})


def test_a_model_says_what_is_known_against_it(resources):
    assert weak_model(resources).weaknesses() == [
        "epoch 1 of 35 was kept, among the first tenth",
        "target ctcf: AUROC 0.63 is below its matrix",
    ]
    data = yaml.safe_load((resources / "models" / "ctcf_pu1.yaml").read_text())
    assert ModelConfig.model_validate(data | {"quality": None}).weaknesses() == []
    with pytest.raises(ValidationError, match="quality.targets.ctcf.metric"):
        ModelConfig.model_validate(data | {"quality": {"targets": {"ctcf": {"value": 1.0}}}})
    # A target that was renamed must not lose what is known against it.
    other = {"targets": {"renamed": {"metric": "auroc"}}}
    with pytest.raises(ValidationError, match="quality names renamed, which is not a target"):
        ModelConfig.model_validate(data | {"quality": other})


def test_the_page_repeats_it_beside_the_name_of_the_target(resources):
    headings = ["Target ctcf", "Target pu1", "Target ctcf: strongest regions", "ctcf"]
    section = Section([Heading(text) for text in headings], ["a headline"])
    doubt(section, "m", weak_model(resources), first=True)
    shown = [block.text for block in section.blocks]
    assert shown == [
        "Warning: epoch 1 of 35 was kept, among the first tenth.",
        "Warning: target ctcf: AUROC 0.63 is below its matrix.",
        "Target ctcf (warning: AUROC 0.63 is below its matrix)",
        "Target pu1",
        "Target ctcf (warning: AUROC 0.63 is below its matrix): strongest regions",
        "ctcf",
    ]
    assert section.headlines[-1] == "a headline" and len(section.headlines) == 3
    again = Section([Heading("Target ctcf")])
    doubt(again, "m", weak_model(resources), first=False)
    assert [block.text for block in again.blocks] == [shown[2]] and not again.headlines


# ---- the trap itself -----------------------------------------------------------------------


def sites(n, base_rate, seed):
    """Sequences whose positives hold a word more often than the others do, but not always."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(0, 4, (n, 12), dtype=np.uint8)
    label = generator.random(n) < base_rate
    word = generator.random(n) < np.where(label, 0.7, 0.05)
    tokens[word, 4:9] = (0, 1, 2, 3, 0)
    return TableDataset(tokens, label[:, None].astype(np.float32))


def test_validation_at_another_base_rate_does_not_stop_the_learning():
    """Half of the validation rows are positive, one in twenty-five of the training rows: as the
    network learns that sites are rare, its validation loss grows, and learning what they are does
    not make up for it. The lowest loss is that of the first epoch, which ranks worst."""
    train, validation, test = sites(3000, 0.04, 1), sites(300, 0.5, 2), sites(2000, 0.04, 3)
    config = FitConfig(epochs=12, batch_size=64, learning_rate=2e-3, progress=False, weight_decay=0)
    kept = {}
    weighted = at_base_rates(validation, train, "multilabel")
    for name, monitor, rows in (
        ("before", "loss", validation),
        ("metric", "metric", weighted),
        ("loss", "loss", weighted),
    ):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(48, 1))
        with torch.no_grad():
            model[1].weight.zero_()
        how = replace(config, monitor=monitor)
        result = fit(model, train, rows, scalar_objective("multilabel"), how)
        with torch.no_grad():
            scores = model(test.batch(np.arange(len(test))).one_hot())[:, 0].numpy()
        kept[name] = (result.best_epoch, metrics.auroc(scores, test.values[:, 0]))
    assert kept["before"][0] == 1
    # 80 of the 2,000 test rows are positive: 0.05 is nearly two standard errors of one AUROC, and
    # both are of the same rows. The first half of the epochs is too early.
    for name in ("metric", "loss"):
        epoch, auroc = kept[name]
        assert epoch > 6 and auroc > kept["before"][1] + 0.05, kept


def test_weights_give_validation_the_base_rates_of_training():
    generator = np.random.default_rng(0)

    def labels(rates, n):
        values = (generator.random((n, len(rates))) < rates).astype(np.float32)
        values[: n // 10, 1] = np.nan
        return TableDataset(np.zeros((n, 4), np.uint8), values)

    train, validation = labels((0.1, 0.3), 5000), labels((0.5, 0.2), 400)
    weighted = at_base_rates(validation, train, "multilabel")
    for t in range(2):
        known = ~np.isnan(validation.values[:, t])
        w, y = weighted.weights[known, t], validation.values[known, t]
        assert (w * y).sum() / w.sum() == pytest.approx(np.nanmean(train.values[:, t]), rel=1e-5)
        assert w.sum() == pytest.approx(known.sum(), rel=1e-5)
    batch = weighted.batch(np.arange(7))
    np.testing.assert_array_equal(batch.targets["weights"], weighted.weights[:7])
    assert at_base_rates(validation, train, "regression").weights is None
    only = validation.take(np.flatnonzero(validation.values[:, 0] == 1))
    # Also where an epoch of training shows no row of this kind.
    for shown in (train, train.take(np.flatnonzero(train.values[:, 0] == 0))):
        assert (at_base_rates(only, shown, "multilabel").weights[:, 0] == 1).all()


def test_weights_count_negatives_as_often_as_an_epoch_draws_them():
    values = np.zeros((1000, 1), np.float32)
    values[:100] = 1
    train = TableDataset(np.zeros((1000, 4), np.uint8), values, negative_ratio=4.0)
    shares = [values[train.epoch_rows(np.random.default_rng(s))].mean() for s in range(3)]
    assert shares == pytest.approx([0.2] * 3)
    validation = TableDataset(np.zeros((20, 4), np.uint8), values[90:110])
    weighted = at_base_rates(validation, train, "multilabel")
    assert (weighted.weights * validation.values).sum() / weighted.weights.sum() == pytest.approx(
        0.2
    )


def test_weights_of_classes():
    train = TableDataset(np.zeros((10, 4), np.uint8), np.repeat([0.0, 1, 2], [5, 3, 2])[:, None])
    held = TableDataset(np.zeros((6, 4), np.uint8), np.repeat([0.0, 1], [2, 4])[:, None])
    weights = at_base_rates(held, train, "multiclass").weights[:, 0]
    # Of the two classes that validation has, training has 5 : 3, validation 2 : 4.
    np.testing.assert_allclose(weights, np.repeat([5 / 8 / (2 / 6), 3 / 8 / (4 / 6)], [2, 4]))
    # At 0.4 negatives for each of the five others an epoch shows two rows of the class 0: 2 : 3.
    weights = at_base_rates(held, replace(train, negative_ratio=0.4), "multiclass").weights[:, 0]
    np.testing.assert_allclose(weights, np.repeat([2 / 5 / (2 / 6), 3 / 5 / (4 / 6)], [2, 4]))


def test_validation_loss_is_the_weighted_mean_over_known_labels_whatever_the_batches():
    generator = np.random.default_rng(0)
    values = (generator.random((50, 2)) < 0.3).astype(np.float32)
    values[:13, 0] = np.nan
    weights = generator.random((50, 2)).astype(np.float32)
    tokens = generator.integers(0, 4, (50, 6), dtype=np.uint8)
    data = TableDataset(tokens, values, weights=weights)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(24, 2))
    still = FitConfig(
        epochs=1, batch_size=7, learning_rate=1e-30, progress=False, optimizer="adam"
    )  # fmt: skip
    result = fit(model, data, data, scalar_objective("multilabel"), still)
    logits = model(data.batch(np.arange(50)).one_hot()).detach().numpy().astype(np.float64)
    error = np.logaddexp(0, logits) - np.nan_to_num(values) * logits
    weight = weights * ~np.isnan(values)
    expected = (error * weight).sum() / weight.sum()
    assert result.history[0]["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_history_is_a_table_of_numbers(tmp_path):
    """No draw of the metric ends up in it."""
    train = sites(200, 0.3, 0)
    config = FitConfig(epochs=2, progress=False)
    result = fit(
        nn.Sequential(nn.Flatten(), nn.Linear(48, 1)), train, train,
        scalar_objective("multilabel"), config,
    )  # fmt: skip
    table = pd.DataFrame(result.history)
    assert list(table) == [
        "epoch", "learning_rate", "train_loss", "validation_loss", "validation_auprc",
        "validation_auprc_low", "validation_auprc_high",
    ]  # fmt: skip
    assert np.isfinite(table.to_numpy(float)).all()


def test_a_name_with_a_colon_is_marked_as_a_whole():
    from cisweep.report.doubts import _marked

    weak = {"K562": "a", "K562:CTCF": "b"}
    assert _marked("Target K562:CTCF", weak) == "Target K562:CTCF (warning: b)"
    assert _marked("Target K562: strongest regions", weak) == (
        "Target K562 (warning: a): strongest regions"
    )
    assert _marked("Target K562x", weak) == "Target K562x"
