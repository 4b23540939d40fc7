"""ism.h5: what every substitution of a region changes, and where its strongest regions are.

Beside regions and tokens (the whole window), for each target, at the S mutated positions of the
window (attributes span_start, span_end), float32:

- `effects/<t>` (N, 4, S): mutant − original, 0 at the observed base;
- `hypothetical/<t>` (N, 4, S): the effects less their mean over the four bases;
- `attributions/<t>` (N, S): the hypothetical value of the observed base;
- `attributions_sd/<t>` (N, S): its standard deviation over strands and folds;
- `predictions/<t>` (N,): of the window as it is.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cisweep.bases import one_hot
from cisweep.contracts import Windows, stored_name
from cisweep.outputs.h5 import (
    Column,
    RowWriter,
    blocks,
    open_rows,
    read_windows,
    region_columns,
    region_rows,
)
from cisweep.products.ism import ISM

_KINDS = {
    "effects": "effects",
    "hypothetical": "hypothetical",
    "attributions": "projected",
    "attributions_sd": "sd",
    "predictions": "original",
}
"""Group of datasets -> field of what was found."""


def write_chunk(
    path: Path,
    blocks: Iterable[tuple[Windows, np.ndarray, Any]],
    length: int,
    span: tuple[int, int],
    targets: list[str],
    attrs: dict[str, Any],
) -> None:
    """Write the mutants of one chunk, block by block.

    blocks: windows, their tokens (n, L), and found with original (T, n), effects, hypothetical
    (T, n, 4, S), projected, sd (T, n, S). length: L; span: positions that are mutated, S of them.
    """
    width = span[1] - span[0]
    shapes = {"effects": (4, width), "hypothetical": (4, width), "predictions": ()}
    stored = [stored_name(target) for target in targets]
    columns = [*region_columns(), Column("tokens", (length,), np.uint8)]
    for name in _KINDS:
        columns += [Column(f"{name}/{t}", shapes.get(name, (width,)), np.float32) for t in stored]
    with RowWriter(path, columns, attrs, ISM) as writer:
        for windows, tokens, found in blocks:
            rows = {**region_rows(windows), "tokens": tokens}
            for name, field in _KINDS.items():
                for target, mine in zip(stored, getattr(found, field)):
                    rows[f"{name}/{target}"] = mine
            writer.append(rows)


def span_blocks(path: Path, target: str) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield (windows, attributions) of one target, the windows cut to the mutated positions."""
    name = f"attributions/{stored_name(target)}"
    with open_rows(path) as file:
        start, end = int(file.attrs["span_start"]), int(file.attrs["span_end"])
        for rows, values in blocks(file, [name]):
            whole = read_windows(file, rows)
            cut = (whole.start + start, whole.start + end)
            yield Windows(whole.chrom, *cut, whole.strand, whole.name), values[name]


def strongest_regions(
    path: Path, target: str, n: int
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Return the n regions with the highest predictions, the highest first.

    Each is (title, effects (4, S), attributions (S,), one_hot (4, S) of the region).
    """
    with open_rows(path) as file:
        values = file[f"predictions/{stored_name(target)}"][:]
        start, end = int(file.attrs["span_start"]), int(file.attrs["span_end"])
        found = []
        for i in np.argsort(-values, kind="stable")[:n].tolist():
            window = read_windows(file, slice(i, i + 1))
            begin = int(window.start[0])
            # Titles are 1-based, as genome browsers write a place.
            place = f"{window.chrom[0]}:{begin + start + 1:,}-{begin + end:,}"
            strand = "" if window.strand[0] == "." else f" ({window.strand[0]})"
            title = f"{place}{strand}, prediction {values[i]:.3g}"
            bases = one_hot(file["tokens"][i, start:end], float)
            arrays = (
                file[f"effects/{stored_name(target)}"][i],
                file[f"attributions/{stored_name(target)}"][i],
                bases,
            )
            found.append((title, *arrays))
        return found
