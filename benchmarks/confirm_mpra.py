"""Judge a training on the held-out rows that another recipe did not hold out.

    python -m benchmarks.confirm_mpra CONFIG MODEL HELDOUT OTHER_CONFIG OTHER_MODEL TASK

HELDOUT: fold0.heldout.tsv of MODEL of CONFIG. Where the hyper-parameters were chosen on the rows
that OTHER_MODEL of OTHER_CONFIG holds out, what is left has had no part in the choice: clusters of
near-duplicates lie in it as a whole or not at all.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from cisweep.sequence.tokens import decode_tokens
from cisweep.steps.train import Recipe
from cisweep.train import metrics
from cisweep.train.data.examples import Examples
from cisweep.train.data.loading import load_examples
from cisweep.train.judging.baselines import KmerRidge
from cisweep.train.products import markdown


def loaded(config: Path, model: str) -> Examples:
    """Return the examples of a model of a config."""
    steps = yaml.safe_load(config.read_text())["steps"]
    return load_examples(Recipe.model_validate(steps["train"]["models"][model]))


def ridge(examples: Examples, column: int, rows: np.ndarray) -> np.ndarray:
    """Return what a k-mer ridge of the same training rows predicts for `rows`."""
    data, fitted = examples.data, []
    for part in (examples.split.train, examples.split.validation):
        known = part[~np.isnan(data.values[part, column])]
        fitted.append((data.tokens[known], data.values[known, column]))
    return KmerRidge().fit(*fitted).predict(data.tokens[rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("model")
    parser.add_argument("heldout", type=Path)
    parser.add_argument("other_config", type=Path)
    parser.add_argument("other_model")
    parser.add_argument("task")
    given = parser.parse_args()
    ours, other = (
        loaded(given.config, given.model),
        loaded(given.other_config, given.other_model),
    )
    seen = {decode_tokens(t) for t in other.data.tokens[other.split.test]}
    test = ours.split.test
    fresh = np.array([decode_tokens(t) not in seen for t in ours.data.tokens[test]])
    held = pd.read_csv(given.heldout, sep="\t")[fresh]
    truth = held[f"{given.task}_observed"].to_numpy()
    column = ours.tasks.index(given.task)
    scorers = {
        given.model: held[f"{given.task}_predicted"].to_numpy(),
        "kmer_ridge": ridge(ours, column, test[fresh]),
    }
    rows = []
    for name, guess in scorers.items():
        low, high = metrics.bootstrap_interval(metrics.pearson, guess, truth)
        row = {"scorer": name, "n": len(truth), "pearson": metrics.pearson(guess, truth)}
        row |= {"95 %": f"{low:.3f}–{high:.3f}", "spearman": metrics.spearman(guess, truth)}
        rows.append(row)
    print(f"{fresh.sum()} of {len(test)} held-out rows; the others were held out before, too.\n")
    print("\n".join(markdown(pd.DataFrame(rows))))


if __name__ == "__main__":
    main()
