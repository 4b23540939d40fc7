"""attributions.h5 and what is made of it: summary, and the export for tf-modiscolite and finemo.

Beside regions and tokens, for each target: `attributions/<t>` float32 (N, L), of the observed base;
`attributions_sd/<t>` and `attributions_fold_sd/<t>` float32 (N, L), over references and over folds;
`delta/<t>` float32 (N,), largest convergence delta of the window; `delta_y/<t>` float32 (N,), mean
|f(window) - f(reference)|; and on request `hypothetical/<t>` float16 (N, 4, save_bp), the central
bases, to be multiplied by `hypothetical_scale/<t>` float32 (N,). The null of a chunk, of shuffled
windows, has regions, tokens and `attributions/<t>` alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import pandas as pd

from cisweep.bases import one_hot
from cisweep.contracts import Windows, name_of, stored_name
from cisweep.errors import AttributionError
from cisweep.outputs.h5 import (
    Column,
    RowWriter,
    blocks,
    n_rows,
    open_rows,
    read_windows,
    region_columns,
    region_rows,
)
from cisweep.products.attribute import ATTRIBUTIONS, SUMMARY


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
        self._targets, self._save_bp, self._length = targets, save_bp, length
        columns = [*region_columns(), Column("tokens", (length,), np.uint8)]
        for t in targets:
            for kind in ("attributions", "attributions_sd", "attributions_fold_sd"):
                columns.append(Column(f"{kind}/{stored_name(t)}", (length,), np.float32))
            columns += [
                Column(f"{kind}/{stored_name(t)}", (), np.float32) for kind in ("delta", "delta_y")
            ]
            if save_bp is not None:
                kept = min(save_bp, length)
                columns.append(Column(f"hypothetical/{stored_name(t)}", (4, kept), np.float16))
                columns.append(Column(f"hypothetical_scale/{stored_name(t)}", (), np.float32))
        self._writer = RowWriter(path, columns, dict(attrs), ATTRIBUTIONS)

    def append(self, windows: Windows, tokens: np.ndarray, found: Any) -> None:
        """Add windows; found: projected, sd, fold_sd (T, N, L), hypothetical (T, N, 4, L), deltas,
        dy (T, N), float32."""
        rows = {**region_rows(windows), "tokens": tokens}
        for i, t in enumerate(self._targets):
            rows[f"attributions/{stored_name(t)}"] = found.projected[i]
            rows[f"attributions_sd/{stored_name(t)}"] = found.sd[i]
            rows[f"attributions_fold_sd/{stored_name(t)}"] = found.fold_sd[i]
            rows[f"delta/{stored_name(t)}"], rows[f"delta_y/{stored_name(t)}"] = (
                found.deltas[i],
                found.dy[i],
            )
            if self._save_bp is not None:
                middle = found.hypothetical[i][:, :, central(self._length, self._save_bp)]
                (
                    rows[f"hypothetical/{stored_name(t)}"],
                    rows[f"hypothetical_scale/{stored_name(t)}"],
                ) = pack(middle)
        self._writer.append(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._writer.__exit__(kind, error, trace)


def write_chunk(
    path: Path,
    windows: Windows,
    tokens: np.ndarray,
    targets: Sequence[str],
    found: Any,
    save_bp: int | None,
    attrs: Mapping,
) -> None:
    """Write the attributions of one chunk that are at hand as a whole: see AttributionWriter."""
    with AttributionWriter(path, tokens.shape[1], targets, save_bp, attrs) as writer:
        writer.append(windows, tokens, found)


def write_null(
    path: Path,
    blocks: Iterable[tuple[Windows, np.ndarray, Any]],
    length: int,
    targets: Sequence[str],
    attrs: Mapping,
) -> None:
    """Write the attributions of shuffled windows, block by block: no other kind of them is read.

    blocks: windows, their shuffled tokens (n, L), and found with projected (T, n, L).
    """
    columns = [*region_columns(), Column("tokens", (length,), np.uint8)]
    columns += [Column(f"attributions/{stored_name(t)}", (length,), np.float32) for t in targets]
    with RowWriter(path, columns, dict(attrs)) as writer:
        for windows, tokens, found in blocks:
            values = {
                f"attributions/{stored_name(t)}": found.projected[i] for i, t in enumerate(targets)
            }
            writer.append({**region_rows(windows), "tokens": tokens, **values})


def targets_of(file: h5py.File) -> list[str]:
    """Return the names of the targets that a file has attributions of."""
    return [name_of(stored) for stored in file["attributions"]]


def summarise(path: Path, targets: list[str]) -> pd.DataFrame:
    """Return a row per target: windows, mean |f(window) - f(reference)|, deltas and their share."""
    found = []
    with open_rows(path) as file:
        for target in targets:
            total, largest = 0.0, 0.0
            for _, rows in blocks(
                file, [f"delta/{stored_name(target)}", f"delta_y/{stored_name(target)}"]
            ):
                total += float(rows[f"delta_y/{stored_name(target)}"].astype(np.float64).sum())
                # NaN (a method that does not add up to anything) stays NaN.
                largest = float(
                    np.maximum(largest, rows[f"delta/{stored_name(target)}"].max(initial=0))
                )
            n = n_rows(file)
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
    float16 (N, 4, K); rows in the order of export/regions.narrowPeak.
    """
    with open_rows(path) as file, h5py.File(out, "w") as target_file:
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
        names = [
            f"hypothetical/{stored_name(target)}",
            f"hypothetical_scale/{stored_name(target)}",
            "tokens",
        ]
        for rows, values in blocks(file, names):
            shap = unpack(values[names[0]], values[names[1]])
            tokens = values["tokens"][:, central(length, kept)]
            bases = one_hot(tokens, np.int8)
            made["raw"][rows], made["shap"][rows] = bases, shap
            made["projected_shap"][rows] = shap * bases


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

    windows: of all files, in their order; targets: names; has_hypothetical: are those of all four
    bases stored. Use it as a context: the files are open within.
    """

    def __init__(self, paths: Sequence[Path]):
        with ExitStack() as stack:
            self._files = [stack.enter_context(open_rows(path)) for path in paths]
            self.windows = Windows.concatenate([read_windows(file) for file in self._files])
            self._begins = np.cumsum([0, *map(n_rows, self._files)])
            self.targets = targets_of(self._files[0])
            self.has_hypothetical = "hypothetical" in self._files[0]
            self._close = stack.pop_all()

    def projected(self, target: str, rows: slice) -> np.ndarray:
        """Return (n, L) float32 of the observed bases."""
        return self._read(rows, lambda file, own: file[f"attributions/{stored_name(target)}"][own])

    def hypothetical(self, target: str, rows: slice) -> np.ndarray:
        """Return (n, 4, K) float32 of all four bases in the central K."""
        values, scale = (
            f"hypothetical/{stored_name(target)}",
            f"hypothetical_scale/{stored_name(target)}",
        )
        return self._read(rows, lambda file, own: unpack(file[values][own], file[scale][own]))

    def _read(self, rows: slice, read: Callable[[h5py.File, slice], np.ndarray]) -> np.ndarray:
        found = []
        for file, begin, end in zip(self._files, self._begins, self._begins[1:]):
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

    rows: (n,) int64 in any order, each once; width: central bases, or as many as are stored.
    """
    names = [
        "tokens",
        f"hypothetical/{stored_name(target)}",
        f"hypothetical_scale/{stored_name(target)}",
    ]
    place = {int(row): i for i, row in enumerate(rows)}
    with open_rows(path) as file:
        length, kept = file["tokens"].shape[1], file[names[1]].shape[2]
        part = central(kept, width)
        inside = slice(*(central(length, kept).start + x for x in (part.start, part.stop)))
        shape = (len(rows), 4, part.stop - part.start)
        bases, found = np.zeros(shape, np.int8), np.zeros(shape, np.float32)
        # Block by block: HDF5 takes minutes to pick thousands of rows out of place.
        for block, values in blocks(file, names):
            mine = [r for r in range(block.start, block.stop) if r in place]
            to, own = [place[r] for r in mine], np.array(mine, np.int64) - block.start
            tokens = values["tokens"][own, inside]
            bases[to] = one_hot(tokens, np.int8)
            found[to] = unpack(values[names[1]][own, :, part], values[names[2]][own])
    return bases, found
