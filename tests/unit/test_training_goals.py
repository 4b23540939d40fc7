"""The recipes of config/examples reach their figures on held-out rows: hours, `make accept`.

Most figures are the goals of benchmarks/recipes/README.md; the cards beside it say what was
reached. What a model must beat whatever it reaches (GC content, its matrix, a k-mer ridge) is
asserted beside them. A figure that is no goal has its reason beside it.
"""

import pytest
import yaml

from cisweep.steps.train import TrainConfig
from cisweep.train import train_fold

pytestmark = pytest.mark.long


@pytest.fixture
def trained(root, shared_data, monkeypatch):
    """The function name -> model -> rows of held-out metrics, keyed by what they are of."""
    monkeypatch.chdir(root)

    def train(name):
        steps = yaml.safe_load((root / "config" / "examples" / f"{name}.yaml").read_text())["steps"]
        models = TrainConfig.model_validate(steps["train"]).models
        return {model: keyed(train_fold(recipe).rows) for model, recipe in models.items()}

    return train


def keyed(rows):
    return {
        (r["task"], r["scorer"], r.get("negatives") or r.get("subset") or "", r["metric"]): r
        for r in rows
    }


def detects(rows, task, auroc, negatives="uniform"):
    """The model reaches an AUROC, and ranks better than GC content and the matrix alone do."""
    found = {
        scorer: r["value"]
        for (t, scorer, n, metric), r in rows.items()
        if (t, n, metric) == (task, negatives, "auroc")
    }
    assert found["model"] >= auroc
    assert all(found["model"] > value for scorer, value in found.items() if scorer != "model")


@pytest.mark.parametrize("name", ["ctcf_pu1", "ctcf_pu1_second"])
def test_ctcf_and_pu1(trained, name):
    rows = trained(f"train_{name}")[name]
    # One goal for both recipes (the first reached 0.997 and 0.990, the second 0.996 and 0.987). All
    # lie above the 95 % intervals of the matrices on the card (ctcf_pu1.md): 0.973 and 0.961 at
    # most, 0.969 against the harder negatives (of the second card 0.971); the matrices' AUPRC is
    # 0.62 and 0.27.
    for task, auroc, auprc in (("ctcf", 0.99, 0.85), ("pu1", 0.98, 0.50)):
        for negatives in ("uniform", "gc_matched", "shuffled"):
            detects(rows, task, auroc if negatives == "uniform" else 0.97, negatives)
        assert rows[task, "model", "uniform", "auprc"]["value"] >= auprc


@pytest.mark.parametrize("name", ["yeast_chipexo", "yeast_chipexo_other"])
def test_sites_of_yeast_factors(trained, name):
    rows = trained(f"train_{name}")[name]
    detects(rows, "rap1", 0.97)
    detects(rows, "reb1", 0.90)
    detects(rows, "abf1", 0.73)


@pytest.mark.parametrize("suffix", ["", "_confirm"])
def test_expression_of_yeast_promoters(trained, suffix):
    models = trained(f"train_yeast_mpra{suffix}")

    def pearson(model, scorer="model"):
        return models[f"mpra_{model}{suffix}"]["random", scorer, "", "pearson"]["value"]

    # A standard error of r = 0.87 is 0.007 in 1,300 promoters, and less of a difference on the same
    # rows: the margins are three and one and a half of them.
    assert pearson("cnn") >= 0.80
    assert pearson("cnn") > pearson("linear") + 0.02
    assert pearson("cnn") > pearson("cnn", "kmer_ridge") + 0.01


def test_transcription_starts_of_yeast(trained):
    models = trained("train_yeast_tss")
    rows = models["yeast_tss"]
    assert rows["profile", "model", "", "pearson"]["value"] > 0.43
    assert rows["counts", "model", "peaks, each track", "pearson"]["value"] > 0.44
    # Totals of both strands: of a mean over the output, which does not know where promoters lie (as
    # bpnet-lite's, 0.216, of which 0.02 is a standard error), …
    assert rows["counts", "model", "peaks", "pearson"]["value"] > 0.20
    # … and of means over stretches of a wider window: the mean over the output has 0.24 and 0.19 of
    # the two below, and a standard error of r is 0.02 and 0.01 there.
    wide = models["yeast_tss_wide"]
    assert wide["profile", "model", "", "pearson"]["value"] > 0.43
    assert wide["counts", "model", "peaks", "pearson"]["value"] > 0.40
    assert wide["counts", "model", "with negatives", "pearson"]["value"] > 0.38
