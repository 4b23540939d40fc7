"""The second demo at reduced size: 8-mers whose score is known."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml

from cisweep.steps.train import Recipe, TrainConfig
from cisweep.train.judging.filters import consensus
from cisweep.train.recipes import TrainedFold, train_fold


def recipes(root: Path) -> dict[str, Recipe]:
    text = (root / "config" / "examples" / "train_kmers.yaml").read_text()
    return TrainConfig.model_validate(yaml.safe_load(text)["steps"]["train"]).models


def r2(trained: TrainedFold) -> float:
    (value,) = [r["value"] for r in trained.rows if r["metric"] == "r2"]
    return value


def words(trained: TrainedFold) -> set[str]:
    """Words of the filters whose every position is one letter in three of four sites."""
    found = {consensus(matrix, 0.75) for matrix, sites in trained.matrices.values() if sites}
    return {word for word in found if word.isupper()}


@pytest.fixture(scope="module")
def reduced(root):
    """All 8-mers at half the epochs: seconds."""
    made = {}
    for name, recipe in recipes(root).items():
        fit = recipe.fit.model_copy(update={"epochs": 5})
        made[name] = train_fold(recipe.model_copy(update={"fit": fit}))
    return made


def best_linear_r2() -> float:
    """R² of the least-squares solution over all 8-mers, of the score as the recipe defines it."""
    tokens = np.array(list(product(range(4), repeat=8)))
    words = ["".join("ACGT"[t] for t in row) for row in tokens]
    score = np.array([20.0, 17, 14, 11])[tokens].mean(axis=1)
    score += [10 * ("TAT" in word) - 10 * ("GCG" in word) for word in words]
    X = np.eye(4)[tokens].reshape(len(tokens), -1)
    left = score - X @ np.linalg.lstsq(X, score, rcond=None)[0]
    return 1 - left.var() / score.var()


def is_best_linear(value: float) -> bool:
    """Is an R² that of the best linear model, but for the draw of the held-out rows?

    0.02 is three standard errors of an R² of this size over 13,107 rows.
    """
    return abs(value - best_linear_r2()) <= 0.02


def test_cnn_learns_words_that_a_linear_model_cannot(reduced):
    # The score has no noise. 0.94 was set as the goal of the whole task (below) and holds here too:
    # nine tenths of what no linear model explains.
    assert r2(reduced["kmers_cnn"]) > 0.94
    best = best_linear_r2()
    assert best + 0.9 * (1 - best) < 0.94
    assert is_best_linear(r2(reduced["kmers_linear"]))


def test_filters_are_the_words(reduced):
    assert {"TAT", "GCG"} <= words(reduced["kmers_cnn"])


@pytest.mark.long
def test_the_whole_task(root):
    """All 65,536 8-mers, split 64/16/20: R² of Linear as of least squares, of the CNN 0.94."""
    linear, cnn = (train_fold(recipe) for recipe in recipes(root).values())
    assert is_best_linear(r2(linear))
    assert r2(cnn) >= 0.94
    assert {"TAT", "GCG"} <= words(cnn)
