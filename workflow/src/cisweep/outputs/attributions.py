"""attributions.h5 and what is made of it: summary, and the export for tf-modiscolite and finemo.

A file of pairs (outputs/pairs.py). Each target has n windows of its own, and for these
`attributions/<t>` float32 (n, L), of the observed base; `attributions_sd/<t>` and
`attributions_fold_sd/<t>` float32 (n, L), over references and over folds; `delta/<t>` float32 (n,),
largest convergence delta of the window; `delta_y/<t>` float32 (n,), mean
|f(window) - f(reference)|; and on request `hypothetical/<t>` float16 (n, 4, save_bp), the central
bases, to be multiplied by `hypothetical_scale/<t>` float32 (n,). The null of a chunk, of shuffled
windows, has `attributions/<t>` alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, Self

import h5py
import numpy as np
import pandas as pd

from cisweep.bases import one_hot
from cisweep.contracts import Windows, name_of, stored_name
from cisweep.errors import AttributionError
from cisweep.outputs.h5 import ROWS_OF_BLOCK, Column, read_windows
from cisweep.outputs.pairs import PairWriter, open_pairs, pair_blocks, rows_of
from cisweep.products.attribute import ATTRIBUTIONS, SUMMARY


class Pairs(Protocol):
    """Attributions of pairs of a window and a target."""

    def of(self, target_idx: int) -> tuple[np.ndarray, Any]:
        """Return a target's rows of the windows, (n,) int64 ascending, and their attributions."""


def central(length: int, save_bp: int) -> slice:
    """Return the central `save_bp` of `length` positions (all, if there are fewer)."""
    kept = min(save_bp, length)
    start = length // 2 - kept // 2
    return slice(start, start + kept)


def pack(hypothetical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 4, L) float16 with the largest value of each region at 1, and (N,) its scale."""
    scale = np.abs(hypothetical).max(axis=(1, 2), initial=0).astype(np.float32)
    safe = np.where(scale > 0, scale, 1)[:, None, None]
    return (hypothetical / safe).astype(np.float16), scale


def unpack(packed: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the (N, 4, L) float32 that pack() packed, to 11 bits."""
    return packed.astype(np.float32) * scale[:, None, None].astype(np.float32)


class AttributionWriter:
    """Writes the attributions of one chunk, block by block; a context.

    length: bases of a window; save_bp: central bases whose hypothetical attributions are stored,
    None for none.
    """

    def __init__(
        self, path: Path, length: int, targets: Sequence[str], save_bp: int | None, attrs: Mapping
    ):
        self._save_bp, self._length = save_bp, length
        kinds = [
            Column(kind, (length,), np.float32)
            for kind in ("attributions", "attributions_sd", "attributions_fold_sd")
        ]
        kinds += [Column(kind, (), np.float32) for kind in ("delta", "delta_y")]
        if save_bp is not None:
            kinds.append(Column("hypothetical", (4, min(save_bp, length)), np.float16))
            kinds.append(Column("hypothetical_scale", (), np.float32))
        self._writer = PairWriter(path, length, targets, kinds, attrs, ATTRIBUTIONS)

    def append(self, windows: Windows, tokens: np.ndarray, found: Pairs) -> None:
        """Add windows and their pairs; found: for the index of a target the rows of these windows,
        (n,), and projected, sd, fold_sd (n, L), hypothetical (n, 4, L), deltas, dy (n,), float32.
        """
        self._writer.append(windows, tokens, lambda i: self._kinds_of(*found.of(i)))

    def _kinds_of(self, rows: np.ndarray, found: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        values = {
            "attributions": found.projected,
            "attributions_sd": found.sd,
            "attributions_fold_sd": found.fold_sd,
            "delta": found.deltas,
            "delta_y": found.dy,
        }
        if self._save_bp is not None:
            middle = found.hypothetical[:, :, central(self._length, self._save_bp)]
            values["hypothetical"], values["hypothetical_scale"] = pack(middle)
        return rows, values

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._writer.__exit__(kind, error, trace)


def write_null(
    path: Path,
    blocks: Iterable[tuple[Windows, np.ndarray, Pairs]],
    length: int,
    targets: Sequence[str],
    attrs: Mapping,
) -> None:
    """Write the attributions of shuffled windows, block by block: no other kind of them is read.

    blocks: windows, their shuffled tokens (n, L), and their pairs, see `AttributionWriter.append`.
    """
    kinds = [Column("attributions", (length,), np.float32)]
    with PairWriter(path, length, targets, kinds, attrs) as writer:
        for windows, tokens, found in blocks:

            def values(i: int, found: Pairs = found) -> tuple[np.ndarray, dict[str, np.ndarray]]:
                rows, of_target = found.of(i)
                return rows, {"attributions": of_target.projected}

            writer.append(windows, tokens, values)


def targets_of(file: h5py.File) -> list[str]:
    """Return the names of the targets that a file has attributions of."""
    return [name_of(stored) for stored in file["attributions"]]


def summarise(path: Path, targets: list[str]) -> pd.DataFrame:
    """Return a row per target: windows, mean |f(window) - f(reference)|, deltas and their share."""
    found = []
    with open_pairs(path) as file:
        for target in targets:
            total, largest, n = 0.0, 0.0, 0
            for rows, values in pair_blocks(file, target, ["delta", "delta_y"]):
                total += float(values["delta_y"].astype(np.float64).sum())
                # NaN (a method that does not add up to anything) stays NaN.
                largest = float(np.maximum(largest, values["delta"].max(initial=0)))
                n += len(rows)
            mean = total / n if n else 0.0
            share = largest / mean if mean else 0.0
            found.append((target, n, mean, largest, share))
    return pd.DataFrame(found, columns=SUMMARY.names())


def check_complete(summary: pd.DataFrame, limit: float) -> None:
    """Raise AttributionError if a target's attributions do not add up to its predictions."""
    wrong = summary[summary["max_delta_share"] > limit]
    if len(wrong):
        row = wrong.iloc[0]
        raise AttributionError(
            f"the attributions of target {row.target} do not add up: a convergence delta of "
            f"{row.max_delta:.3g} is {row.max_delta_share:.3g} of the mean "
            f"|f(window) - f(reference)|, more than {limit}",
            where="steps.attribute.max_delta",
            mend="see which operation of the model is not exact, or set "
            "steps.attribute.on_incomplete: warn",
        )


def export_chrombpnet(path: Path, out: Path, target: str) -> None:
    """Write one target in ChromBPNet's H5 layout, which tf-modiscolite and finemo read.

    raw/seq int8 (N, 4, K) one-hot, shap/seq float16 (N, 4, K) hypothetical, projected_shap/seq
    float16 (N, 4, K); rows in the order of export/<target>.narrowPeak.
    """
    with open_pairs(path) as file, h5py.File(out, "w") as target_file:
        n, _, kept = file[f"hypothetical/{stored_name(target)}"].shape
        length = file["tokens"].shape[1]
        # HDF5 has no chunks of a dataset without rows.
        stored = (
            {"chunks": (min(32, n), 4, kept), "compression": "gzip", "compression_opts": 1,
             "shuffle": True}
            if n else {}
        )  # fmt: skip
        made = {
            name: target_file.create_dataset(
                f"{name}/seq",
                (n, 4, kept),
                dtype,
                **stored,
            )
            for name, dtype in (
                ("raw", np.int8),
                ("shap", np.float16),
                ("projected_shap", np.float16),
            )
        }
        begin, middle = 0, central(length, kept)
        for rows, values in pair_blocks(file, target, ["hypothetical", "hypothetical_scale"]):
            shap = unpack(values["hypothetical"], values["hypothetical_scale"])
            bases = one_hot(_tokens(file, rows)[:, middle], np.int8)
            end = begin + len(rows)
            made["raw"][begin:end], made["shap"][begin:end] = bases, shap
            made["projected_shap"][begin:end] = shap * bases
            begin = end


def _tokens(file: h5py.File, rows: np.ndarray) -> np.ndarray:
    """Return the tokens (n, L) of ascending rows, one stretch of the file at a time."""
    if not len(rows):
        return file["tokens"][:0]
    found = [
        file["tokens"][int(part[0]) : int(part[-1]) + 1][part - part[0]]
        for part in np.split(rows, np.flatnonzero(np.diff(rows) > ROWS_OF_BLOCK) + 1)
    ]
    return np.concatenate(found)


def narrowpeak_lines(windows: Windows) -> list[str]:
    """Return the windows as narrowPeak rows; the summit (column 10) is the window's centre."""
    return [
        f"{c}\t{s}\t{e}\t{name or '.'}\t0\t{d}\t0\t-1\t-1\t{(e - s) // 2}\n"
        for c, s, e, d, name in zip(
            windows.chrom, windows.start, windows.end, windows.strand, windows.name
        )
    ]


class AttributionParts:
    """The attributions of chunk files, one behind the other, of which rows are read where they are
    needed.

    targets: names; has_hypothetical: are those of all four bases stored. Use it as a context: the
    files are open within.
    """

    def __init__(self, paths: Sequence[Path]):
        with ExitStack() as stack:
            self._files = [stack.enter_context(open_pairs(path)) for path in paths]
            self._all = [read_windows(file) for file in self._files]
            self.targets = targets_of(self._files[0])
            self._rows = {t: [rows_of(file, t) for file in self._files] for t in self.targets}
            self.has_hypothetical = "hypothetical" in self._files[0]
            self._close = stack.pop_all()

    def windows(self, target: str) -> Windows:
        """Return the windows of all files that a target was explained at, in their order."""
        return Windows.concatenate(
            [part.take(rows) for part, rows in zip(self._all, self._rows[target])]
        )

    def projected(self, target: str, rows: slice) -> np.ndarray:
        """Return (n, L) float32 of the observed bases; rows: of the target's windows."""
        return self._read(
            target, rows, lambda file, own: file[f"attributions/{stored_name(target)}"][own]
        )

    def hypothetical(self, target: str, rows: slice) -> np.ndarray:
        """Return (n, 4, K) float32 of all four bases in the central K."""
        values, scale = (
            f"hypothetical/{stored_name(target)}",
            f"hypothetical_scale/{stored_name(target)}",
        )
        return self._read(
            target, rows, lambda file, own: unpack(file[values][own], file[scale][own])
        )

    def _read(
        self, target: str, rows: slice, read: Callable[[h5py.File, slice], np.ndarray]
    ) -> np.ndarray:
        found, begins = [], np.cumsum([0, *map(len, self._rows[target])])
        for file, begin, end in zip(self._files, begins, begins[1:]):
            low, high = max(rows.start - begin, 0), min(rows.stop, end) - begin
            if low < high:
                found.append(read(file, slice(low, high)))
        return np.concatenate(found) if found else read(self._files[0], slice(0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._close.close()


def read_hypothetical(
    path: Path, target: str, rows: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return one-hot int8 and hypothetical attributions float32, (n, 4, width) each, of rows.

    rows: (n,) int64 of the target's windows in any order, each once; width: central bases, or as
    many as are stored.
    """
    kinds = ["hypothetical", "hypothetical_scale"]
    place = {int(row): i for i, row in enumerate(rows)}
    with open_pairs(path) as file:
        length = file["tokens"].shape[1]
        kept = file[f"hypothetical/{stored_name(target)}"].shape[2]
        part = central(kept, width)
        inside = slice(*(central(length, kept).start + x for x in (part.start, part.stop)))
        shape = (len(rows), 4, part.stop - part.start)
        bases, found = np.zeros(shape, np.int8), np.zeros(shape, np.float32)
        # Block by block: HDF5 takes minutes to pick thousands of rows out of place.
        begin = 0
        for windows, values in pair_blocks(file, target, kinds):
            own = np.array([r for r in range(len(windows)) if begin + r in place], np.int64)
            to = [place[begin + int(r)] for r in own]
            bases[to] = one_hot(_tokens(file, windows[own])[:, inside], np.int8)
            found[to] = unpack(values[kinds[0]][own, :, part], values[kinds[1]][own])
            begin += len(windows)
    return bases, found
