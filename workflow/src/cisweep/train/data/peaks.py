"""Examples of a multi-label task: peaks of several factors against negatives."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cisweep.contracts import Windows, window_seeds
from cisweep.errors import TrainingError
from cisweep.genome.fasta import Genome, fasta_records, window_tokens
from cisweep.genome.regions import WindowPolicy, read_bed, to_windows
from cisweep.sequence.tokens import shuffle_tokens, tokenize
from cisweep.steps.train import NegativesConfig, PeaksData, Recipe, ValidationNegativesConfig
from cisweep.textfile import open_text, whole_number
from cisweep.train.data.datasets import TableDataset
from cisweep.train.data.examples import Examples, hashes
from cisweep.train.data.negatives import NegativePool, gc_matched_windows, uniform_windows
from cisweep.train.data.splitting import PARTS, Split, region_parts


@dataclass(frozen=True)
class Peaks:
    """Peaks of all factors: windows, tokens (N, window + 2·jitter) uint8, labels (N, T) float32."""

    windows: Windows
    tokens: np.ndarray
    labels: np.ndarray


def peak_examples(recipe: Recipe, validation: list[str], test: list[str]) -> Examples:
    """Return peaks and, for each part of the split, its own negatives.

    Peaks that touch a `test` stretch are test rows, else those that touch a `validation` stretch
    validation rows. Negatives of a part come from the stretches that the recipe names for it,
    and must not touch any peak; those of validation are drawn as training's, see `as_trained`.
    """
    data: PeaksData = recipe.data
    genome = Genome(data.genome)
    dropped: list[dict[str, str]] = []
    peaks = label_peaks(
        {task: _load(path, data, genome, recipe.jitter_bp, dropped, task)
         for task, path in data.peaks.items()},
        data.same_within_bp,
        data.window_bp // 2,
    )  # fmt: skip
    w = peaks.windows
    part = region_parts(w.chrom, w.start, w.end, validation, test)
    tokens, labels, names, origin, parts = [peaks.tokens], [peaks.labels], [], [], [part]
    names.append([f"{c}:{s}-{e}" for c, s, e in _coordinates(peaks.windows)])
    origin.append(["positive"] * len(part))
    n_train = int((part == "train").sum())
    for index, which in enumerate(PARTS):
        own = peaks.tokens[part == which]
        wanted = getattr(data, which)
        if which == "validation":
            wanted = as_trained(wanted, data, n_train, len(own))
        drawn = _negatives(wanted, data, genome, peaks, own, recipe, index)
        for kind, (its_names, its_tokens) in drawn.items():
            tokens.append(its_tokens)
            labels.append(np.zeros((len(its_tokens), len(data.peaks)), np.float32))
            names.append(its_names)
            origin.append([kind] * len(its_tokens))
            parts.append(np.full(len(its_tokens), which))
    table = TableDataset(
        np.concatenate(tokens),
        np.concatenate(labels),
        recipe.reverse_complement,
        recipe.jitter_bp,
        data.negative_ratio,
    )
    return Examples(
        table,
        Split.from_labels(np.concatenate(parts)),
        list(data.peaks),
        np.concatenate([np.asarray(n, dtype=str) for n in names]),
        np.concatenate([np.asarray(o, dtype=str) for o in origin]),
        hashes([data.genome, *data.peaks.values()]),
        dropped,
        test_chroms=list(test),
        masked=_masked(peaks, part, list(data.peaks)),
    )


def _masked(peaks: Peaks, part: np.ndarray, tasks: list[str]) -> dict[str, dict[str, int]]:
    absent = np.isnan(peaks.labels)
    return {
        task: {which: int(absent[part == which, t].sum()) for which in PARTS}
        for t, task in enumerate(tasks)
        if absent[:, t].any()
    }


def as_trained(
    wanted: ValidationNegativesConfig, data: PeaksData, n_train: int, n_validation: int
) -> NegativesConfig:
    """Return the negatives of validation: what the config leaves open is as an epoch of training
    has it, per positive and for each kind, so that both have the same base rate.

    n_train, n_validation: positives of both parts.
    """
    train = data.train
    pool = train.uniform + (train.gc_matched + train.shuffled) * n_train
    share = 1.0
    if data.negative_ratio is not None and pool:
        share = min(data.negative_ratio * n_train / pool, 1.0)
    uniform = round(share * train.uniform * n_validation / max(n_train, 1))
    return NegativesConfig(
        stretches=wanted.stretches,
        uniform=uniform if wanted.uniform is None else wanted.uniform,
        gc_matched=share * train.gc_matched if wanted.gc_matched is None else wanted.gc_matched,
        shuffled=share * train.shuffled if wanted.shuffled is None else wanted.shuffled,
    )


def _coordinates(windows: Windows):
    return zip(windows.chrom, windows.start, windows.end)


def _load(
    path: Path, data: PeaksData, genome: Genome, jitter: int, dropped: list, task: str
) -> tuple[Windows, np.ndarray]:
    """Return windows and tokens of a peak file; a FASTA's sequences get N as margin."""
    if not path.is_file():
        raise TrainingError("no such peak file", where=str(path), mend=f"correct data.peaks.{task}")
    with open_text(path, TrainingError) as handle:
        is_fasta = handle.read(1) == ">"
    if is_fasta:
        windows, tokens = read_located_fasta(path)
        return _cut(windows, tokens, data.window_bp + 2 * jitter, path)
    policy = WindowPolicy(window_bp=data.window_bp + 2 * jitter)
    windows, lost = to_windows(read_bed(path, key="data.peaks"), genome.lengths, policy)
    dropped += [
        {"name": f"{task} {r.chrom}:{r.start}-{r.end}", "reason": r.reason, "detail": str(r.detail)}
        for r in lost.itertuples()
    ]
    if not len(windows):
        raise TrainingError("no peak lies on the genome", where=str(path))
    return windows, window_tokens(genome, windows.chrom, windows.start, windows.end)


def read_located_fasta(path: Path) -> tuple[Windows, np.ndarray]:
    """Return windows and tokens of a FASTA whose headers are chrom:start-end, 0-based half-open.

    Raises TrainingError for a header or a length that does not fit.
    """
    with open_text(path, TrainingError) as handle:
        records = list(fasta_records(handle, path, TrainingError))
    chrom, start, end, texts = [], [], [], []
    for number, (header, text) in enumerate(records, 1):
        try:
            name, span = header.split()[0].rsplit(":", 1)
            low, high = (whole_number(x) for x in span.split("-"))
            if low is None or high is None:
                raise ValueError
        except (ValueError, IndexError):
            raise TrainingError(
                f"header {header!r} is not chrom:start-end", where=f"{path}, record {number}"
            ) from None
        if high - low != len(text):
            raise TrainingError(
                f"{header} spans {high - low} bp and has {len(text)} letters",
                where=f"{path}, record {number}",
            )
        chrom.append(name), start.append(low), end.append(high), texts.append(text)
    return Windows.build(chrom, start, end), tokenize(texts)


def _cut(
    windows: Windows, tokens: np.ndarray, width: int, path: Path
) -> tuple[Windows, np.ndarray]:
    """Return the windows and tokens at `width`, with N beyond what the FASTA holds."""
    extra = width - tokens.shape[1]
    start = windows.start - extra // 2
    if extra < 0:
        tokens = tokens[:, -(extra // 2) : -(extra // 2) + width]
    else:
        tokens = np.pad(tokens, ((0, 0), (extra // 2, extra - extra // 2)), constant_values=4)
    return Windows.build(windows.chrom, start, start + width), np.ascontiguousarray(tokens)


def label_peaks(
    loaded: dict[str, tuple[Windows, np.ndarray]], same_within_bp: int, masked_within_bp: int = 0
) -> Peaks:
    """Return the peaks of all factors in one table.

    A row is labelled with its own factor, and with every other factor that has a peak whose
    centre lies within `same_within_bp`. A factor whose nearest centre lies farther away, but
    within `masked_within_bp` (half a window, so that the row holds its site), is masked: its label
    is NaN, neither a positive nor a negative.
    """
    tasks = list(loaded)
    windows = Windows.concatenate([loaded[t][0] for t in tasks])
    tokens = np.concatenate([loaded[t][1] for t in tasks])
    labels = np.zeros((len(windows), len(tasks)), np.float32)
    for task, name in enumerate(tasks):
        distance = _nearest(windows, loaded[name][0])
        labels[distance <= masked_within_bp, task] = np.nan
        labels[distance <= same_within_bp, task] = 1
    return Peaks(windows, tokens, labels)


def _nearest(windows: Windows, others: Windows) -> np.ndarray:
    """Return the distance (N,) float64, in bp, of each centre to the nearest one of `others` on
    its chromosome; infinity where there is none."""
    distance = np.full(len(windows), np.inf)
    for chrom in set(others.chrom):
        marks = np.sort(others.centre[others.chrom == chrom])
        rows = np.flatnonzero(windows.chrom == chrom)
        centre = windows.centre[rows]
        after = np.searchsorted(marks, centre)
        left, right = marks[np.maximum(after - 1, 0)], marks[np.minimum(after, len(marks) - 1)]
        distance[rows] = np.minimum(np.abs(left - centre), np.abs(right - centre))
    return distance


def _negatives(
    wanted: NegativesConfig,
    data: PeaksData,
    genome: Genome,
    peaks: Peaks,
    positives: np.ndarray,
    recipe: Recipe,
    part: int,
) -> dict[str, tuple[list[str], np.ndarray]]:
    """Return kind -> (names, tokens) of the negatives of one part."""
    width = peaks.tokens.shape[1]
    pool = NegativePool(genome, wanted.stretches, width, peaks.windows)
    seed = recipe.seed * 10 + part
    drawn = {}
    if wanted.uniform:
        windows, tokens = uniform_windows(pool, wanted.uniform, random_state=seed)
        drawn["uniform"] = (windows.keys(), tokens)
    if wanted.gc_matched and len(positives):
        windows, tokens = gc_matched_windows(
            pool, positives, wanted.gc_matched, random_state=seed + 1000
        )
        drawn["gc_matched"] = (windows.keys(), tokens)
    if wanted.shuffled and len(positives):
        drawn["shuffled"] = _shuffles(positives, wanted.shuffled, seed)
    return drawn


def _shuffles(
    positives: np.ndarray, per_positive: float, seed: int
) -> tuple[list[str], np.ndarray]:
    n = int(round(per_positive * len(positives)))
    copies = -(-n // len(positives))
    place = Windows.build(["shuffle"] * len(positives), *[np.arange(len(positives))] * 2)
    seeds = window_seeds(seed, "train_shuffle", place, copies)
    tokens = shuffle_tokens(positives, seeds).transpose(1, 0, 2).reshape(-1, positives.shape[1])
    return [f"shuffle_{i}" for i in range(n)], np.ascontiguousarray(tokens[:n])
