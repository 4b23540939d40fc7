"""Weights with which validation rows measure the base rates of training."""

from dataclasses import replace

import numpy as np

from cisweep.train.data.datasets import TableDataset


def at_base_rates(validation: TableDataset, train: TableDataset, task: str) -> TableDataset:
    """Return the validation rows, weighted so that their labels have the base rates of an epoch.

    A loss over rows of another base rate measures how well a network is calibrated to a prior that
    it was not trained on, and is lowest where it knows least. Each label of a task (multilabel) or
    row of a class (multiclass) counts as often in the loss as an epoch of training shows its like;
    a task whose validation rows are of one kind keeps weights of 1, as do regressions.
    """
    if task == "multilabel":
        weights = np.stack(
            [
                _column(validation.values[:, t], train.values[:, t], train.shown(), (0, 1))
                for t in range(train.values.shape[1])
            ],
            axis=1,
        )
    elif task == "multiclass":
        classes = tuple(np.unique(train.values[:, 0]))
        found = _column(validation.values[:, 0], train.values[:, 0], train.shown(), classes)
        weights = found[:, None]
    else:
        return validation
    return replace(validation, weights=weights.astype(np.float32))


def _column(
    validation: np.ndarray, train: np.ndarray, shown: np.ndarray, labels: tuple[float, ...]
) -> np.ndarray:
    """Return the weight (N,) of each validation row: the share of its label in an epoch of
    training over its share in validation."""
    own = np.array([(validation == label).sum() for label in labels], np.float64)
    theirs = np.array([shown[train == label].sum() for label in labels])
    weights = np.ones(len(validation))
    if (own > 0).sum() < 2:
        return weights
    # Labels that validation lacks are left out of both shares.
    theirs = np.where(own > 0, theirs, 0)
    ratio = theirs / max(theirs.sum(), 1e-300) / np.maximum(own / own.sum(), 1e-300)
    for label, factor in zip(labels, ratio):
        weights[validation == label] = factor
    return weights
