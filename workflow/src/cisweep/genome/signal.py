"""Signal of windows from bigWig files, and the further inputs of a model."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cisweep.config.model import InputConfig, ModelConfig
from cisweep.contracts import Windows
from cisweep.errors import GenomeError, stop_at_faults
from cisweep.genome.bigwig import MEND, BigWig
from cisweep.genome.fasta import SequenceSource
from cisweep.genome.naming import renaming


def check_signal(
    paths: Sequence[Path], chroms: Collection[str], *, thoroughly: bool = False
) -> None:
    """Raise a CisweepError that lists all files that are no bigWig with one of the chromosomes.

    thoroughly: look at the whole index, and for a value on one of the chromosomes, as well.
    """
    files = dict.fromkeys(map(Path, paths))
    stop_at_faults([partial(_check, path, chroms, thoroughly) for path in files])


def _check(path: Path, chroms: Collection[str], thoroughly: bool) -> None:
    with BigWig(path) as file:
        if len(chroms) and not set(chroms) & set(file.chroms):
            raise GenomeError(
                f"has no chromosome {next(iter(chroms))!r} (it has "
                f"{', '.join(list(file.chroms)[:5]) or 'none'} …)",
                where=str(path),
                mend=renaming(file.chroms, chroms) or "use the genome's names of chromosomes",
            )
        if thoroughly:
            file.check_index()
            shared = [c for c in chroms if c in file.chroms]
            if shared and not any(file.has_value(c) for c in shared):
                raise GenomeError(
                    "has no value on any chromosome of the run (NaN does not count)",
                    where=str(path),
                    mend=MEND,
                )


def read_signal(
    paths: Sequence[Path], windows: Windows, length_bp: int | None = None
) -> np.ndarray:
    """Return (N, K, length) float32 signal of K bigWig files, in + orientation.

    length_bp: bases around each window's centre, default the window itself. Positions without
    data, beyond the chromosome, or on a chromosome that the file lacks are 0: check_signal says
    before whether the files are those of the genome.
    """
    width = int(windows.end[0] - windows.start[0]) if len(windows) else 0
    length = length_bp or width
    start = windows.centre - length // 2
    out = np.zeros((len(windows), len(paths), length), dtype=np.float32)
    for k, path in enumerate(paths):
        with BigWig(path) as file:
            for i, (chrom, begin) in enumerate(zip(windows.chrom, start)):
                low, high = max(int(begin), 0), min(int(begin) + length, file.chroms.get(chrom, 0))
                if low < high:
                    values = np.nan_to_num(file.values(chrom, low, high))
                    out[i, k, low - begin : high - begin] = values
    return out


def read_signal_at(paths: Sequence[Path], chrom: Sequence[str], places: np.ndarray) -> np.ndarray:
    """Return (N, K, L) float32 signal of K bigWig files at places (N, L) of the genome.

    Positions without data are 0, as in read_signal.
    """
    n, length = places.shape
    if not n:
        return np.zeros((0, len(paths), length), dtype=np.float32)
    low = places.min(axis=1)
    width = int((places.max(axis=1) - low).max()) + 1
    values = read_signal(paths, Windows.build(chrom, low, low + width))
    index = np.broadcast_to((places - low[:, None])[:, None], (n, len(paths), length))
    return np.take_along_axis(values, index, axis=2)


def tracks_of(config: ModelConfig) -> list[InputConfig]:
    """Return the model's inputs from bigWig."""
    return [item for item in config.inputs if item.kind == "bigwig"]


def track_inputs(
    tracks: Sequence[InputConfig], chrom: Sequence[str], places: np.ndarray
) -> list[np.ndarray]:
    """Return the inputs from bigWig (N, channels, length) of windows whose bases come from `places`
    (N, W) of the genome: of the middle ones, where an input is shorter than the window."""
    found = []
    for item in tracks:
        length = item.length_bp or places.shape[1]
        start = places.shape[1] // 2 - length // 2
        found.append(read_signal_at(item.paths, chrom, places[:, start : start + length]))
    return found


def model_inputs(config: ModelConfig, windows: Windows, source: SequenceSource) -> list[np.ndarray]:
    """Return the inputs that are data: bigWig (N, channels, length) and column (N, 1), float32, in
    + orientation. Zeros and constants are made inside the loaded model.

    source: of the windows; the sequences whose table has the columns.
    """
    found = []
    for item in config.inputs:
        if item.kind == "bigwig":
            found.append(read_signal(item.paths, windows, item.length_bp or config.window_bp))
        elif item.kind == "column":
            values = source.column(item.column)
            chosen = np.array([values[name] for name in windows.chrom], dtype=np.float32)
            found.append(chosen.reshape(-1, 1))
    return found
