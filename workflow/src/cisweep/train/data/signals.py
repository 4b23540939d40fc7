"""Examples with base-resolution signal: windows of a genome with counts from bigWigs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cisweep.contracts import Windows
from cisweep.errors import GenomeError, TrainingError
from cisweep.genome.bigwig import BigWig
from cisweep.genome.fasta import Genome, window_tokens
from cisweep.genome.regions import WindowPolicy, read_bed, to_windows
from cisweep.steps.train import Recipe, SignalData
from cisweep.train.data.datasets import SignalDataset
from cisweep.train.data.examples import Examples, hashes
from cisweep.train.data.negatives import NegativePool, gc_matched_windows
from cisweep.train.data.splitting import Split, region_parts

_BLOCK_BP = 4_000_000


class SignalTracks:
    """bigWigs of counts, one per track; what has no value is 0.

    lengths: chromosomes that every track has, with the length on which all agree.
    """

    def __init__(self, paths: list[Path]):
        self.paths = paths
        self._files = [_opened(path) for path in paths]
        found = [f.chroms for f in self._files]
        shared = set(found[0]).intersection(*found[1:])
        self.lengths = {c: min(f[c] for f in found) for c in found[0] if c in shared}

    def counts(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return (tracks, end − start) float32; raises TrainingError for NaN or negative values."""
        out = np.empty((len(self._files), end - start), np.float32)
        for track, (path, file) in enumerate(zip(self.paths, self._files)):
            # A base without an entry is 0, but an entry that says NaN is a fault.
            values = file.values(chrom, start, end)
            self._check(path, chrom, start, not np.isnan(values).any(), "NaN")
            self._check(path, chrom, start, values.min(initial=0) >= 0, "negative values")
            self._check(path, chrom, start, np.isfinite(values).all(), "infinite values")
            out[track] = values
        return out

    @staticmethod
    def _check(path: Path, chrom: str, start: int, good: bool, what: str) -> None:
        if not good:
            raise TrainingError(
                f"the signal holds {what}",
                where=f"{path}, near {chrom}:{start}",
                mend="counts must be numbers of at least 0; make the bigWig again from the reads",
            )


def _opened(path: Path) -> BigWig:
    try:
        return BigWig(path)
    except GenomeError as error:
        raise TrainingError(
            error.what,
            where=str(path),
            mend=f"{error.mend}; BAM and fragment files are counted by the workflow itself, in "
            "Python by genome.reads.count_ends and outputs.bigwig.write_counts",
        ) from None


@dataclass(frozen=True)
class _Chosen:
    """Windows (margins included) with whether each is a peak, and what was left out."""

    windows: Windows
    is_peak: np.ndarray
    dropped: list[dict[str, str]]


def signal_examples(
    recipe: Recipe, validation: list[str], test: list[str], workspace: Path | None = None
) -> Examples:
    """Return windows with their counts, split by chromosomes or stretches.

    workspace: folder for memory-mapped arrays, so that memory does not grow with the number of
    windows; None keeps them in memory. Training peaks whose counts are outliers are dropped
    (never held-out ones, which would flatter the metrics).
    """
    data: SignalData = recipe.data
    genome = Genome(data.genome)
    tracks = SignalTracks(data.signal)
    controls = SignalTracks(data.controls) if data.controls else None
    if data.peaks:
        chosen = _peaks(data, genome, tracks)
        if data.negatives:
            chosen = _with_negatives(chosen, data, genome, tracks, recipe.seed)
    else:
        chosen = _tiles(data, genome, tracks, recipe.seed)
    w = chosen.windows
    part = region_parts(w.chrom, w.start, w.end, validation, test)
    kept = _as_trained(chosen.is_peak, part, data.negative_ratio, recipe.seed)
    windows, is_peak = chosen.windows.take(np.flatnonzero(kept)), chosen.is_peak[kept]
    chosen, part = _Chosen(windows, is_peak, chosen.dropped), part[kept]
    windows = chosen.windows
    tokens, signal, control = _read(windows, data, genome, tracks, controls, workspace)
    total = _totals(signal)
    if total.max(initial=0) == 0:
        raise TrainingError(
            "all counts are zero", where=", ".join(map(str, data.signal)), mend="check the bigWigs"
        )
    dropped = chosen.dropped + _drop_outliers(data, windows, chosen.is_peak, total, part)
    dataset = SignalDataset(
        tokens, signal, chosen.is_peak, control, data.jitter_bp, recipe.reverse_complement,
        data.strand_swap, data.strand_swap, data.negative_ratio,
    )  # fmt: skip
    paths = [data.genome, *data.signal, *data.controls, *([data.peaks] if data.peaks else [])]
    return Examples(
        dataset,
        Split.from_labels(part),
        ["profile", "counts"],
        np.array(windows.keys(), dtype=str),
        np.where(chosen.is_peak, "positive", "gc_matched" if data.peaks else "few_reads"),
        hashes(paths),
        dropped,
        test_chroms=list(test),
    )


def _as_trained(is_peak: np.ndarray, part: np.ndarray, ratio: float, seed: int) -> np.ndarray:
    """Return which windows (bool) are used: validation takes as many negatives per peak as an
    epoch of training, so that its loss means the same; training takes none where none is drawn."""
    kept = is_peak | (part == "test")
    if ratio:
        kept |= part == "train"
        own = np.flatnonzero(~is_peak & (part == "validation"))
        n = int(round(ratio * (is_peak & (part == "validation")).sum()))
        kept[np.random.default_rng(seed).permutation(own)[:n]] = True
    return kept


def _width(data: SignalData) -> int:
    return data.window_bp + 2 * data.jitter_bp


def _peaks(data: SignalData, genome: Genome, tracks: SignalTracks) -> _Chosen:
    windows, lost = to_windows(
        read_bed(data.peaks, key="data.peaks"), genome.lengths, WindowPolicy(_width(data))
    )
    dropped = [
        {"name": f"{r.chrom}:{r.start}-{r.end}", "reason": r.reason, "detail": str(r.detail)}
        for r in lost.itertuples()
    ]
    known = np.array([c in tracks.lengths for c in windows.chrom], dtype=bool)
    inside = np.array([tracks.lengths.get(c, 0) for c in windows.chrom]) >= windows.end
    for row in np.flatnonzero(~inside):
        chrom = windows.chrom[row]
        reason = "outside_signal" if known[row] else "no_signal_chromosome"
        detail = f"the bigWigs have {tracks.lengths.get(chrom, 0)} bp of {chrom}"
        dropped.append({"name": windows.take([row]).keys()[0], "reason": reason, "detail": detail})
    windows = windows.take(inside)
    if not len(windows):
        reasons = sorted({d["reason"] for d in dropped})
        raise TrainingError(
            f"no peak is left: {', '.join(reasons)}",
            where=str(data.peaks),
            mend="check that genome, peaks and bigWigs name chromosomes alike",
        )
    return _Chosen(windows, np.ones(len(windows), bool), dropped)


def _tiles(data: SignalData, genome: Genome, tracks: SignalTracks, seed: int) -> _Chosen:
    """Return the tiles that hold enough reads, and as negatives a share of the others.

    Margins must lie on the chromosome.
    """
    names = list(tracks.lengths)
    which: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    enough: list[np.ndarray] = []
    # The span whose reads are counted lies in the middle, as the output does.
    span = data.output_bp if data.tiles.min_reads_over == "output" else data.window_bp
    margin = (_width(data) - span) // 2
    block = max(_BLOCK_BP // data.tiles.stride_bp, 1) * data.tiles.stride_bp
    for number, name in enumerate(names):
        length = min(tracks.lengths[name], genome.lengths.get(name, 0))
        for low in range(0, max(length - _width(data) + 1, 0), block):
            high = min(low + block, length - _width(data) + 1)
            start = np.arange(low, high, data.tiles.stride_bp)
            end = int(start[-1]) + margin + span
            summed = tracks.counts(name, low + margin, end).sum(axis=0, dtype=np.float64)
            running = np.concatenate([[0], np.cumsum(summed)])
            reads = running[start - low + span] - running[start - low]
            starts.append(start)
            enough.append(reads >= data.tiles.min_reads)
            which.append(np.full(len(start), number, np.int32))
    start = np.concatenate(starts) if starts else np.zeros(0, np.int64)
    is_peak = np.concatenate(enough) if enough else np.zeros(0, bool)
    if not is_peak.any():
        raise TrainingError(
            f"no tile has {data.tiles.min_reads:g} reads",
            where=", ".join(map(str, data.signal)),
            mend="lower data.tiles.min_reads; check that genome and bigWigs name chromosomes alike",
        )
    others = np.flatnonzero(~is_peak)
    wanted = min(int(round(data.negatives * is_peak.sum())), len(others))
    drawn = np.random.default_rng(seed).choice(others, wanted, replace=False)
    rows = np.union1d(np.flatnonzero(is_peak), drawn)
    chrom = np.array(names)[np.concatenate(which)[rows]]
    windows = Windows.build(chrom, start[rows], start[rows] + _width(data))
    return _Chosen(windows, is_peak[rows], [])


def _with_negatives(
    chosen: _Chosen, data: SignalData, genome: Genome, tracks: SignalTracks, seed: int
) -> _Chosen:
    peaks = chosen.windows
    usable = [c for c in dict.fromkeys(peaks.chrom) if c in tracks.lengths]
    pool = NegativePool(
        genome,
        [f"{c}:0-{min(tracks.lengths[c], genome.lengths[c])}" for c in usable],
        _width(data),
        peaks,
    )
    tokens = window_tokens(genome, peaks.chrom, peaks.start, peaks.end)
    windows, _ = gc_matched_windows(pool, tokens, data.negatives, pool_ratio=5.0, random_state=seed)
    is_peak = np.concatenate([chosen.is_peak, np.zeros(len(windows), bool)])
    return _Chosen(Windows.concatenate([peaks, windows]), is_peak, chosen.dropped)


def _read(
    windows: Windows,
    data: SignalData,
    genome: Genome,
    tracks: SignalTracks,
    controls: SignalTracks | None,
    workspace: Path | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return tokens, signal and controls of the windows, margins included."""
    n, width = len(windows), _width(data)
    output = data.output_bp + 2 * data.jitter_bp
    inset = (width - output) // 2
    tokens = _array(workspace, "tokens", (n, width), np.uint8)
    signal = _array(workspace, "signal", (n, len(tracks.paths), output), np.float32)
    control = None
    if controls is not None:
        control = _array(workspace, "controls", (n, len(controls.paths), width), np.float32)
    for rows in windows.blocks(1024):
        part = windows.take(rows)
        tokens[rows] = window_tokens(genome, part.chrom, part.start, part.end)
    for i, (chrom, start, end) in enumerate(zip(windows.chrom, windows.start, windows.end)):
        start, end = int(start), int(end)
        signal[i] = tracks.counts(chrom, start + inset, start + inset + output)
        if control is not None:
            control[i] = controls.counts(chrom, start, end)
    return tokens, signal, control


def _array(workspace: Path | None, name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
    if workspace is None:
        return np.empty(shape, dtype)
    workspace.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(workspace / f"{name}.npy", "w+", dtype, shape)


def _totals(signal: np.ndarray, block: int = 4096) -> np.ndarray:
    parts = [signal[b : b + block].sum(axis=(1, 2)) for b in range(0, len(signal), block)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _drop_outliers(
    data: SignalData, windows: Windows, is_peak: np.ndarray, total: np.ndarray, part: np.ndarray
) -> list[dict[str, str]]:
    """Mark training peaks with too many reads as left out (in `part`) and return their rows."""
    if data.outlier_factor is None:
        return []
    train = is_peak & (part == "train")
    if not train.any():
        return []
    limit = data.outlier_factor * np.quantile(total[train], data.outlier_quantile)
    rows = np.flatnonzero(train & (total > limit))
    part[rows] = "dropped"
    names = windows.take(rows).keys()
    return [
        {"name": name, "reason": "outlier", "detail": f"{total[r]:g} reads, limit {limit:g}"}
        for name, r in zip(names, rows)
    ]
