"""Signal of windows from bigWig files, and the further inputs of a model."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from cisweep.config.model import InputConfig, ModelConfig
from cisweep.contracts import Windows
from cisweep.errors import GenomeError
from cisweep.genome.fasta import SequenceSource
from cisweep.genome.naming import renaming


def check_signal(paths: Sequence[Path], chroms: Collection[str]) -> None:
    """Raise a GenomeError unless each file is a bigWig with at least one of the chromosomes."""
    import pyBigWig

    for path in paths:
        try:
            with pyBigWig.open(str(path)) as file:
                known = file.chroms() if file.isBigWig() else None
        except RuntimeError:
            known = None
        if known is None:
            raise GenomeError("is no readable bigWig", where=str(path), mend="give a bigWig file")
        if len(chroms) and not set(chroms) & set(known):
            raise GenomeError(
                f"has no chromosome {next(iter(chroms))!r} (it has {', '.join(list(known)[:5])} …)",
                where=str(path),
                mend=renaming(known, chroms) or "use one naming of chromosomes",
            )


def read_signal(
    paths: Sequence[Path], windows: Windows, length_bp: int | None = None
) -> np.ndarray:
    """Return (N, K, length) float32 signal of K bigWig files, in + orientation.

    length_bp: bases around each window's centre, default the window itself. Positions without
    data, beyond the chromosome, or on a chromosome that the file lacks are 0: check_signal says
    before whether the files are those of the genome.
    """
    import pyBigWig

    width = int(windows.end[0] - windows.start[0]) if len(windows) else 0
    length = length_bp or width
    start = windows.centre - length // 2
    out = np.zeros((len(windows), len(paths), length), dtype=np.float32)
    for k, path in enumerate(paths):
        with pyBigWig.open(str(path)) as file:
            known = file.chroms()
            for i, (chrom, begin) in enumerate(zip(windows.chrom, start)):
                low, high = max(int(begin), 0), min(int(begin) + length, known.get(chrom, 0))
                if low < high:
                    values = np.nan_to_num(file.values(chrom, low, high, numpy=True))
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
