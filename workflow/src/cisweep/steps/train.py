"""train: from sequences or signal to weights that the other steps can use, and their evidence."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from cisweep.config.base import Arguments, Name, Strict, TargetName, check_distinct
from cisweep.config.model import check_loss
from cisweep.config.targets import TargetConfig, check_scalars
from cisweep.contracts import digest
from cisweep.steps.base import Step, StepConfig


def stretch_of(text: str) -> tuple[str, int, int | None]:
    """Return (chrom, 0, None) of a chromosome, (chrom, start, end) of chrom:start-end (half-open).

    Raises ValueError for another text.
    """
    chrom, colon, span = text.partition(":")
    if not colon:
        return chrom, 0, None
    found = re.fullmatch(r"([0-9,]{1,20})-([0-9,]{1,20})", span)
    low, high = (int(n.replace(",", "") or 0) for n in found.groups()) if found else (0, 0)
    if not chrom or not low < high:
        raise ValueError(f"{text!r} is not a stretch; write chrom or chrom:start-end")
    return chrom, low, high


def _checked_stretch(text: str) -> str:
    stretch_of(text)
    return text


Stretch = Annotated[str, AfterValidator(_checked_stretch)]
"""A chromosome, or chrom:start-end."""


class KmersData(Strict):
    """All k-mers with a made-up score; it needs no files."""

    kind: Literal["kmers"]
    """All k-mers, scored by their letters and by words that occur in them."""
    k: int = Field(8, ge=3, le=10)
    """Length of the sequences, bp."""
    letters: dict[Literal["A", "C", "G", "T"], float] = {"A": 20, "C": 17, "G": 14, "T": 11}
    """The score of a k-mer is the mean of these numbers over its letters, …"""
    words: dict[str, float] = {"TAT": 10, "GCG": -10}
    """… plus this number for each word that occurs in it, however often."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if missing := [base for base in "ACGT" if base not in self.letters]:
            raise ValueError(f"letters: give a number for {', '.join(missing)} too")
        for word in self.words:
            if not 0 < len(word) <= self.k or set(word) - set("ACGT"):
                raise ValueError(f"words: {word!r} is not 1 to {self.k} (k) of the letters A C G T")
        return self


class TableData(Strict):
    """Tables of sequences with measured values."""

    kind: Literal["table"]
    """TSV or CSV files (plain or gzip) with a header, or FASTA files together with a table of
    values."""
    paths: list[Path] = Field(min_length=1)
    """Tables, joined row by row; all need the same columns."""
    sequence: str = "sequence"
    """Column of the sequences."""
    values: list[str] = Field(min_length=1)
    """Columns of the values; for multiclass one column of class names."""
    group: str | None = None
    """Column of the groups for split.by: group."""
    chrom: str | None = None
    """Column of the chromosome, for a split by chromosome."""
    fasta: Path | None = None
    """FASTA with the sequences, if the tables lack them; joined by `name`."""
    name: str = "name"
    """Column that names a sequence of `fasta`."""
    hold_out_from: list[Path] = []
    """Only rows of these tables, with their near-duplicates, may be held out; empty: of all
    tables."""
    conditions: dict[str, Name] = {}
    """Tables that were measured under different conditions: for a table, by its file name up to the
    first dot, the name of its condition. Each condition has its own outputs, which share all layers
    but the last; empty: all tables are alike."""
    standardize: bool = True
    """Train on (value − mean) / SD of the training rows; undone in the saved weights."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if strange := [path for path in self.hold_out_from if path not in self.paths]:
            raise ValueError(f"hold_out_from: {strange[0]} is not one of the tables in paths")
        tables = [path.name.split(".")[0] for path in self.paths]
        unnamed = [name for name in tables if self.conditions and name not in self.conditions]
        if unnamed:
            raise ValueError(f"conditions: no condition is named for {', '.join(unnamed)}")
        return self


class NegativesConfig(Strict):
    """Negatives of one part of the split."""

    stretches: list[Stretch] = Field(min_length=1)
    """Chromosomes, or chrom:start-end, to draw from."""
    uniform: int = Field(0, ge=0)
    """Windows drawn uniformly."""
    gc_matched: float = Field(0, ge=0)
    """Windows with the GC content of the part's positives, per positive."""
    shuffled: float = Field(0, ge=0)
    """Dinucleotide shuffles of positives, per positive."""


class ValidationNegativesConfig(Strict):
    """Negatives for validation. What is not given is drawn as in an epoch of training."""

    stretches: list[Stretch] = Field(min_length=1)
    """Chromosomes, or chrom:start-end, to draw from."""
    uniform: int | None = Field(None, ge=0)
    """Windows drawn uniformly; null = as many per positive as an epoch of training shows."""
    gc_matched: float | None = Field(None, ge=0)
    """Windows with the GC content of the part's positives, per positive; null: the same."""
    shuffled: float | None = Field(None, ge=0)
    """Dinucleotide shuffles of positives, per positive; null: the same."""


class PeaksData(Strict):
    """Peaks of several factors against negatives: a multi-label task."""

    kind: Literal["peaks"]
    """BED files, or FASTA files whose headers are chrom:start-end."""
    genome: Path
    """FASTA of the genome that negatives (and BED peaks) come from."""
    peaks: dict[TargetName, Path] = Field(min_length=1)
    """Name of a task: its peaks."""
    window_bp: int = Field(ge=4)
    """Length of the sequences; a peak is centred in it."""
    same_within_bp: int = Field(50, ge=0)
    """If the centres of peaks of two factors are at most this far apart, both are labelled. A
    window with another factor's peak farther away, up to half of window_bp, has no label for that
    factor: neither training nor evaluation counts it."""
    train: NegativesConfig
    """Negatives for training."""
    validation: ValidationNegativesConfig
    """Negatives for validation."""
    test: NegativesConfig
    """Negatives for the held-out metrics; each kind is evaluated separately."""
    negative_ratio: float | None = Field(None, gt=0)
    """Negatives drawn for each epoch, per positive; null = all in every epoch."""
    matrices: Path | None = None
    """MEME file of matrices, whose best score in a sequence is a baseline, …"""
    matrix_of: dict[TargetName, str] = {}
    """… and for each task, the id or name of its matrix."""


class TilesConfig(Strict):
    """Windows from the signal itself, where there are no peaks."""

    stride_bp: int = Field(ge=1)
    """Distance between the starts of two windows."""
    min_reads: float = Field(20, ge=0)
    """Smallest sum of the signal that makes a window usable, …"""
    min_reads_over: Literal["output", "window"] = "output"
    """… over the output of the window, or over the whole window: then some outputs have few reads,
    and the counts to predict have a wider range."""


class ReadsConfig(Strict):
    """How BAM and fragment files become counts of 5' ends."""

    stranded: bool = False
    """Make two tracks of each file, plus and minus strand, instead of one with both."""
    plus_shift_bp: int = 0
    """Added to the 5' end of a plus read and to a fragment's start; 4 for unshifted ATAC."""
    minus_shift_bp: int = 0
    """Added to the 5' end of a minus read and to a fragment's last base; ChromBPNet: -4 for
    unshifted ATAC, 1 for DNase."""
    min_mapq: int = Field(0, ge=0)
    """Reads of lower mapping quality are left out (unmapped, secondary, supplementary, duplicate
    ones and those that failed quality control are always)."""


class SignalData(Strict):
    """Base-resolution counts from bigWigs, for BPNet."""

    kind: Literal["signal"]
    """bigWigs of counts, BAM or fragment files, for profiles."""
    genome: Path
    """FASTA of the genome."""
    signal: list[Path] = Field(min_length=1)
    """bigWigs of counts; two = plus and minus strand. Or BAM (with its index) or fragment files
    (.tsv, .bed, plain or .gz), whose 5' ends are counted first; see reads."""
    controls: list[Path] = []
    """Control tracks, in the same formats."""
    reads: ReadsConfig = ReadsConfig()
    """How BAM and fragment files are counted."""
    peaks: Path | None = None
    """BED or narrowPeak; a window is centred on each row."""
    tiles: TilesConfig | None = None
    """Windows from the signal, in place of peaks."""
    window_bp: int = Field(2114, ge=4)
    """Length of the sequences."""
    output_bp: int = Field(1000, ge=1)
    """Length of the profile, in the middle of the window."""
    jitter_bp: int = Field(128, ge=0)
    """Peaks are shifted by up to this much while training."""
    negatives: float = Field(0, ge=0)
    """Windows that train only the counts, per peak: GC-matched ones without a peak; with tiles,
    those with fewer reads."""
    negative_ratio: float = Field(0.333, ge=0)
    """Negatives drawn for each epoch, per peak, and once for validation; 0: only for the
    metrics."""
    outlier_quantile: float = Field(0.99, gt=0, le=1)
    """Peaks with more reads than outlier_factor × this quantile are dropped (dropped.tsv)."""
    outlier_factor: float | None = Field(1.2, gt=0)
    """See outlier_quantile; null keeps all."""
    strand_swap: list[int] = [1, 0]
    """Track i of a window is track strand_swap[i] of its reverse complement."""
    count_weight: float | None = Field(None, gt=0)
    """Weight λ of the count loss; null = mean count of the training peaks, both strands together
    (bpnet-lite's command line takes the mean of one strand)."""
    metrics_min_reads: float = Field(0, ge=0)
    """Held-out profile metrics are over windows with at least this many reads."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.peaks is None) == (self.tiles is None):
            raise ValueError("give peaks or tiles, and not both")
        if self.output_bp > self.window_bp:
            raise ValueError(
                f"output_bp {self.output_bp} is longer than window_bp {self.window_bp}"
            )
        return self


class SplitConfig(Strict):
    """Which rows are held out."""

    by: Literal["random", "group", "near_duplicates", "regions"] = "random"
    """What is held out together: single rows, groups of a column, clusters of sequences that share
    a k-mer, or chromosomes and stretches."""
    validation: float | list[str] = 0.16
    """A fraction, or group labels, chromosomes or stretches (chrom:start-end)."""
    test: float | list[str] = 0.2
    """The same for the test rows; with `regions` and folds, the folds give it."""
    kmer: int = Field(20, ge=8, le=31)
    """Length of the k-mer that makes two sequences near-duplicates."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = {"validation": self.validation, "test": self.test}
        for key, part in parts.items():
            if isinstance(part, float) and not 0 < part < 1:
                raise ValueError(f"{key}: a fraction lies between 0 and 1, got {part:g}")
            if isinstance(part, list) and not part:
                raise ValueError(f"{key}: name at least one, or give a fraction")
            if isinstance(part, list) and self.by in ("random", "near_duplicates"):
                raise ValueError(f"{key}: with by: {self.by} give a fraction, got {part}")
            if isinstance(part, list) and self.by == "regions":
                for stretch in part:
                    stretch_of(stretch)
        fractions = [part for part in parts.values() if isinstance(part, float)]
        if sum(fractions) >= 1:
            raise ValueError(f"validation {self.validation:g} and test {self.test:g} leave no row")
        lists = [set(part) for part in parts.values() if isinstance(part, list)]
        if len(lists) == 2 and (both := sorted(lists[0] & lists[1])):
            raise ValueError(f"test: {', '.join(both)} is in validation too")
        return self


class FoldSplit(Strict):
    """One fold: its own held-out chromosomes; other folds train on them."""

    validation: list[Stretch] = Field(min_length=1)
    """Chromosomes or stretches for early stopping."""
    test: list[Stretch] = Field(min_length=1)
    """Chromosomes or stretches for the metrics."""


class OptimizerConfig(Strict):
    """How to fit; see cisweep.train.FitConfig."""

    epochs: int = Field(50, ge=1)
    """Largest number of epochs."""
    batch_size: int = Field(64, ge=1)
    """Number of examples in one update of the weights."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of the first epoch."""
    optimizer: Literal["adam", "adamw"] = "adamw"
    """AdamW decays weights by weight_decay."""
    weight_decay: float = Field(0.01, ge=0)
    """Weight decay of AdamW."""
    schedule: Literal["plateau", "cosine", "constant"] = "plateau"
    """plateau: × plateau_factor after plateau_patience epochs without a better monitor."""
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    """See schedule."""
    plateau_patience: int = Field(3, ge=0)
    """See schedule."""
    gradient_clip: float | None = Field(1.0, gt=0)
    """Largest norm of the gradient; null for none."""
    early_stopping: int | None = Field(10, ge=1)
    """Stop after this many epochs without a better one; null = never."""
    monitor: Literal["metric", "loss"] = "metric"
    """What decides, on the validation rows, which epoch's weights are kept. `metric`: the mean over
    targets of AUPRC for classes, of Pearson's r for values, of r of profiles (median over windows)
    and counts. An epoch is better where its metric is higher in 97.5 % of 200 resampled sets of the
    rows; among epochs that differ by less, the one with the lowest loss is kept. `loss`: the lowest
    loss alone. The loss of classes is weighted to the base rates of training."""
    mixed_precision: bool = True
    """bfloat16 autocast on a GPU."""


class Recipe(Strict):
    """Everything that determines one trained model."""

    data: Annotated[KmersData | TableData | PeaksData | SignalData, Field(discriminator="kind")]
    """What to learn from."""
    task: Literal["regression", "multilabel", "multiclass", "profile"]
    """regression: squared error; multilabel: one logit per task; multiclass: cross entropy;
    profile: BPNet's profile and counts."""
    module: str
    """Built-in module (Linear, CNN, BPNet) or import path `package.module:Class`."""
    module_args: Arguments = {}
    """Keyword arguments of the module."""
    split: SplitConfig = SplitConfig()
    """Which rows are held out."""
    folds: list[FoldSplit] = []
    """Train one model per fold, each in its own job; empty: one model by `split`."""
    reverse_complement: bool = True
    """Show half of the examples reverse-complemented; evaluation averages over both strands."""
    jitter_bp: int = Field(0, ge=0)
    """Table and peak sequences are shifted by up to this much while training."""
    fit: OptimizerConfig = OptimizerConfig()
    """The optimiser."""
    seed: int = Field(0, ge=0, lt=2**64)
    """Seed of weights, split, negatives and order."""
    spot_check: list[str] = []
    """Sequences whose predictions are shown in a table."""
    motifs: Path | None = None
    """MEME file that first-layer filters are matched to."""
    targets: list[TargetConfig] | None = None
    """Targets of the written model.yaml; null = one for each task or head."""

    def key(self) -> str:
        """Return a hash of the recipe and the step's version, without the folders of its files."""
        return digest(STEP.version, _names_only(self.model_dump()))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.data.kind == "signal") != (self.task == "profile"):
            raise ValueError("task profile and data of kind signal need each other")
        if self.data.kind == "peaks" and (self.task != "multilabel" or self.split.by != "regions"):
            raise ValueError("data of kind peaks needs task multilabel and split.by regions")
        if self.folds and self.split.by != "regions":
            raise ValueError("folds need split.by regions")
        check_loss(self.module, self.task)
        check_scalars(self.targets or [])
        self._check_split()
        for sequence in self.spot_check:
            if not sequence or set(sequence.upper()) - set("ACGTN"):
                raise ValueError(f"spot_check: {sequence!r} is not a sequence of A C G T N")
        return self

    def _check_split(self) -> None:
        by, split = self.split.by, self.split
        if by == "group" and getattr(self.data, "group", None) is None:
            raise ValueError("split.by: group needs data.group, a column of a table")
        in_rows = self.data.kind in ("kmers", "table")
        if by == "regions" and in_rows and getattr(self.data, "chrom", None) is None:
            raise ValueError("split.by: regions needs data.chrom, a column of a table")
        if by == "near_duplicates" and self.data.kind == "kmers" and self.data.k < split.kmer:
            raise ValueError(f"split.kmer {split.kmer} is longer than data.k {self.data.k}")
        if by != "regions" and self.data.kind == "signal":
            raise ValueError("split.by: data of kind signal needs regions")
        parts = {"split.validation": split.validation, "split.test": split.test}
        for key, part in parts.items():
            if by == "regions" and not self.folds and isinstance(part, float):
                raise ValueError(f"{key}: with by: regions name chromosomes or stretches")


def _names_only(value: Any) -> Any:
    """Return the value with each path cut to its file's name."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, dict):
        return {key: _names_only(item) for key, item in value.items()}
    return [_names_only(item) for item in value] if isinstance(value, list) else value


class TrainConfig(StepConfig):
    """Train models before the other steps of the run."""

    models: dict[Name, Recipe] = Field(min_length=1)
    """For each model, its id and recipe. results/<run>/train/<id>/ has weights and model.yaml."""
    threads: int = Field(1, ge=1)
    """Threads of each training."""

    @field_validator("models")
    @classmethod
    def _names_of_models(cls, value: dict[str, Recipe]) -> dict[str, Recipe]:
        check_distinct([*COMMON, *value], "names of models and files of the training")
        return value


TABLES = (
    "model.yaml",
    "metrics.tsv",
    "calibration.tsv",
    "history.tsv",
    "card.md",
    "dropped.tsv",
)
COMMON = ("loss.svg", "spot_check.tsv")
"""Products of all trained models together."""
FIGURES = (
    "loss.svg",
    "parity.svg",
    "parity.html",
    "calibration.svg",
    "labels.svg",
    "filters.svg",
    "filter_weights.svg",
)


def is_reads(path: Path) -> bool:
    """Return whether a file's name says BAM or fragments."""
    return path.name.endswith((".bam", ".tsv", ".tsv.gz", ".bed", ".bed.gz"))


def read_files(recipe: Recipe) -> list[Path]:
    """Return the BAM and fragment files of a recipe, in the order in which they are numbered."""
    data = recipe.data
    if data.kind != "signal":
        return []
    return [path for path in dict.fromkeys([*data.signal, *data.controls]) if is_reads(path)]


def with_tracks(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with the bigWigs that are made in `folder` in place of reads.

    They are called 0.both.bw, or 0.plus.bw and 0.minus.bw, with the number of the file.
    """
    files = read_files(recipe)
    if not files:
        return recipe
    strands = ("plus", "minus") if recipe.data.reads.stranded else ("both",)

    def replaced(paths: list[Path]) -> list[Path]:
        made = [
            [folder / f"{files.index(path)}.{strand}.bw" for strand in strands]
            if path in files
            else [path]
            for path in paths
        ]
        return [path for group in made for path in group]

    changed = {name: replaced(getattr(recipe.data, name)) for name in ("signal", "controls")}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=changed)})


def n_folds(recipe: Recipe) -> int:
    """Return how many sets of weights a recipe trains."""
    return max(len(recipe.folds), 1)


def data_files(recipe: Recipe) -> list[str]:
    """Return the files that a recipe reads; Snakemake watches their bytes."""
    data = recipe.data
    single = [getattr(data, n, None) for n in ("genome", "fasta", "matrices")]
    single += [recipe.motifs, *getattr(data, "paths", []), *getattr(data, "signal", [])]
    single += getattr(data, "controls", [])
    peaks = getattr(data, "peaks", None)
    single += list(peaks.values()) if isinstance(peaks, dict) else [peaks]
    return [str(path) for path in dict.fromkeys(single) if path is not None]


STEP = Step(
    name="train",
    version=6,
    order=0,
    config=TrainConfig,
    title="Training",
    about="training",
    run_products=lambda config: (
        [f"train/{name}/{product}" for name in config.models for product in (*TABLES, *FIGURES)]
        + [f"train/{product}" for product in COMMON]
    ),
    reserved=frozenset({"train"}),
    needs_model=False,
    makes_weights=True,
    unscoped=frozenset({"threads"}),
)
