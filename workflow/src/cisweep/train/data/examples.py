"""What every kind of training data becomes: a data set, its split, and where it came from."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cisweep.config.model import file_sha256
from cisweep.train.data.datasets import SignalDataset, TableDataset
from cisweep.train.data.splitting import Split


@dataclass(frozen=True)
class Examples:
    """Examples of a task, with what the split, the metrics and the model card need.

    data: all rows. split: rows of the three parts. tasks: name of each value column, class or
    track. names: (N,) what a row is called. origin: (N,) "positive", "uniform", "gc_matched" or
    "shuffled" for peaks; "" otherwise. files: sha256 by path. dropped: rows that were left out,
    each with name, reason and detail. offset, scale: of standardised values, (T,) float.
    test_chroms: chromosomes (or stretches) that the model has not seen. masked: task -> part of
    the split -> how many of its labels are masked, since the row holds a peak of the task aside.
    """

    data: TableDataset | SignalDataset
    split: Split
    tasks: list[str]
    names: np.ndarray
    origin: np.ndarray
    files: dict[str, str]
    dropped: list[dict[str, str]] = field(default_factory=list)
    offset: np.ndarray | None = None
    scale: np.ndarray | None = None
    test_chroms: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    masked: dict[str, dict[str, int]] = field(default_factory=dict)


def hashes(paths: list[Path]) -> dict[str, str]:
    """Return name of the file -> sha256; names, since folders differ between machines."""
    return {path.name: file_sha256(path) for path in paths}
