"""The model config (model.yaml): what a model reads, what it gives, and where its weights are.

It is declared before the run, so that parsing the workflow knows targets and windows without
torch. Relative paths are relative to the model.yaml itself.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from cisweep.config.adapters import ADAPTERS, adapters_that, declared
from cisweep.config.base import Arguments, Name, Package, Strict, TargetName
from cisweep.config.import_paths import is_import_path, module_files
from cisweep.config.target_table import chosen, targets_of_table
from cisweep.config.targets import (
    Targets,
    TargetTable,
    TrackConfig,
    check_scalars,
)
from cisweep.contracts import digest as short_digest
from cisweep.contracts import file_names

HUB = "hub:"
"""What stands before the name of weights that lie in a hub and not in a file."""


_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*\Z")


BUILT_IN_MODULES = ("Linear", "CNN", "BPNet", "ChromBPNet")
"""Names of the built-in modules, as cisweep.models.modules has them (torch)."""
PROFILE_MODULES = ("BPNet", "ChromBPNet")
"""Those that give a profile and its counts; the others give one number per task."""

LANGUAGE_HEADS = {"ForCausalLM": "causal", "LMHeadModel": "causal", "ForMaskedLM": "masked"}
"""End of an architecture's name in transformers -> what its language head predicts."""


def check_module(module: str, *, files: bool = False) -> None:
    """Raise ValueError for a name that is neither a built-in module nor an import path.

    files: whether `nets.py:MyNet` is taken too.
    """
    if files and ":" in module:
        if not is_import_path(module):
            raise ValueError(
                f"module: {module!r} is not an import path, nets.py:Class or package.module:Class "
                "(a file that ends in .py, or names with dots, before the colon; a name after it)"
            )
        return
    if ":" not in module and module not in BUILT_IN_MODULES:
        raise ValueError(
            f"module: there is no built-in module {module!r}; use one of "
            f"{', '.join(BUILT_IN_MODULES)}, or an import path package.module:Class"
        )
    if ":" in module and not _IMPORT_PATH.match(module):
        raise ValueError(
            f"module: {module!r} is not an import path package.module:Class (letters, digits, _ "
            "and . before the colon, a name after it)"
        )


def check_loss(module: str, task: str) -> None:
    """Raise ValueError as check_module, or if the loss of a task does not take what it gives."""
    check_module(module)
    if module not in BUILT_IN_MODULES or (module in PROFILE_MODULES) == (task == "profile"):
        return
    gives = "a profile and its counts" if module in PROFILE_MODULES else "one number per task"
    fitting = [m for m in BUILT_IN_MODULES if (m in PROFILE_MODULES) == (task == "profile")]
    raise ValueError(
        f"module: {module} gives {gives}, and task {task} does not learn that; use "
        f"{' or '.join(fitting)}, or another task"
    )


MANY_TARGETS = 12
"""Targets that the page of a run shows one behind the other."""


class InputConfig(Strict):
    """A further input of the model besides the sequence (a control track, a constant, …)."""

    name: Name
    """Name of the input."""
    kind: Literal["zeros", "constant", "bigwig", "column"]
    """Where its values come from: zeros, one constant, bigWig signal of the window, or a column
    of the sequence table."""
    channels: int = Field(1, ge=1)
    """Number of channels of a track input; a `column` input has 1."""
    length_bp: int | None = Field(None, ge=1)
    """Length of a track input, centred on the window; null = window_bp."""
    value: float = 0.0
    """Value of a `constant` input."""
    paths: list[Path] = []
    """bigWig files, one per channel."""
    column: str | None = None
    """Column of the sequence table."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "bigwig" and len(self.paths) != self.channels:
            raise ValueError(
                f"a bigwig input needs one path per channel; {self.channels} channel(s), "
                f"{len(self.paths)} path(s)"
            )
        if self.kind == "column" and self.column is None:
            raise ValueError("name the `column` of the sequence table")
        kinds = {"paths": ("bigwig",), "column": ("column",), "value": ("constant",)}
        idle = [key for key in kinds if getattr(self, key) and self.kind not in kinds[key]]
        if idle:
            raise ValueError(
                f"{idle[0]} is of a {kinds[idle[0]][0]} input, and an input of kind {self.kind} "
                "does not read it; correct kind, or leave it out"
            )
        return self


class RcConfig(Strict):
    """What to do with the reverse complement of a window."""

    average: bool = True
    """Average the target over the window and its reverse complement."""
    task_permutation: list[int] | None = None
    """Task i of the window is task `task_permutation[i]` of its reverse complement (a stranded
    model: [1, 0]); null = tasks are strand-blind."""


class FoldConfig(Strict):
    """One set of weights."""

    weights: Path
    """File (or folder, for hf_lm) with the weights. For hf_lm also `hub:owner/name` or
    `hub:owner/name@revision`, if there is a network or if the cache of transformers holds it."""
    test_chroms: list[str] = []
    """Chromosomes that this fold was not trained on; used by `fold_policy: held_out`."""
    extra_weights: dict[str, Path] = {}
    """Further files of the fold, e.g. {bias: bias_model_scaled.h5} for the full ChromBPNet."""

    @property
    def hub(self) -> str | None:
        """Return `owner/name` or `owner/name@revision` of a hub; None for a file or folder."""
        text = str(self.weights)
        return text.removeprefix(HUB) if text.startswith(HUB) else None


class TargetQualityConfig(Strict):
    """How good one target is on held-out rows."""

    metric: str
    """Name of the metric: auroc, pearson, accuracy."""
    value: float | None = None
    """Its value; null where it is undefined."""
    n: int | None = None
    """Number of rows on which the metric was computed."""
    rows: str = ""
    """Which rows these are, for example the negatives of a detection or the windows of a
    profile."""
    baseline: str | None = None
    """The simpler method that did best on the same rows: a matrix, GC content, a k-mer ridge, …"""
    baseline_value: float | None = None
    """Its value."""
    remarks: list[str] = []
    """Reasons to doubt results that rest on this target; every step and the report repeat them."""


class QualityConfig(Strict):
    """How good a model is; the step `train` writes it, and it changes no result."""

    remarks: list[str] = []
    """Remarks on all targets, for example an odd best epoch."""
    targets: dict[TargetName, TargetQualityConfig] = {}
    """Quality of each target."""


class ModelConfig(Strict):
    """A trained model."""

    adapter: Literal[*ADAPTERS]
    """How the files of the model are read; each adapter is a file in cisweep/models/adapters."""
    module: str | None = None
    """Built-in module (Linear, CNN, BPNet, ChromBPNet), or your own class, or function that returns
    a module: `nets.py:MyNet` (a file, relative to the model.yaml) or `package.module:MyNet`, looked
    for beside the model.yaml first, then on Python's path. hf_lm imports it before the model, so
    that a package can name its classes to transformers."""
    module_args: Arguments = {}
    """Keyword arguments of the module."""
    key: str | None = None
    """Key of the state dict inside a checkpoint (Lightning: state_dict)."""
    strip_prefix: str = ""
    """Prefix to remove from the name of each parameter (Lightning: `model.`)."""
    rename_prefix: dict[str, str] = {}
    """Old prefix of parameter names: new prefix, applied after strip_prefix."""
    custom_objects: dict[str, str] = {}
    """keras: name of a layer or function of your own in the file: its import path, as `module`."""
    trust_pickle: bool = False
    """Load a file that can run code (a pickle, TorchScript, Keras' Lambda layers). Only for files
    that you made yourself."""
    trust_remote_code: bool = False
    """hf_lm: let transformers run code from the model's folder."""
    window_bp: int = Field(ge=1)
    """Length of the sequence that the model reads."""
    inputs: list[InputConfig] = []
    """Further inputs, in the order of the model's arguments after the sequence."""
    targets: Targets
    """The scalars to analyse: a list of them, or a table."""
    tracks: list[TrackConfig] = []
    """Per-base outputs that `predict` writes as bigWig."""
    rc: RcConfig = RcConfig()
    """Reverse complement."""
    folds: list[FoldConfig] = Field(min_length=1)
    """Sets of weights, one per training; their targets are averaged."""
    fold_policy: Literal["mean", "held_out"] = "mean"
    """`held_out`: a window is read only by the folds whose test_chroms hold its chromosome, in
    every step. Runs on `sequences`, which have no chromosome, need `mean`."""
    quality: QualityConfig | None = None
    """How good the model is on held-out rows, where it is known."""
    _folder: Path | None = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _from_table(cls, data: Any) -> Any:
        given = data.get("targets") if isinstance(data, Mapping) else None
        if not isinstance(given, Mapping):
            return data
        try:
            table = TargetTable.model_validate(given)
        except ValidationError:
            return data  # told as of any other key
        return {**data, "targets": targets_of_table(table.model_dump())}

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [t.name for t in (*self.targets, *self.tracks)]
        twice = next((name for name, n in Counter(names).items() if n > 1), None)
        if twice is not None:
            raise ValueError(f"names of targets and tracks must differ: {twice} occurs twice")
        check_scalars(self.targets)
        for track in self.tracks:
            self._check_track(track)
        if self.module is not None:
            check_module(self.module, files=True)
        if declared(self.adapter).needs_module and not self.module:
            raise ValueError(
                f"adapter {self.adapter} needs `module` (Linear, CNN, BPNet, ChromBPNet, "
                "nets.py:Class or package.module:Class)"
            )
        self._check_custom_objects()
        hubs = [fold.hub for fold in self.folds if fold.hub is not None]
        if hubs and not declared(self.adapter).reads_hub:
            able = " or ".join(adapters_that("reads_hub"))
            raise ValueError(
                f"{HUB}{hubs[0]}: only models of adapter {able} can be taken from a hub"
            )
        if self.fold_policy == "held_out":
            empty = [i for i, f in enumerate(self.folds) if not f.test_chroms]
            if empty:
                raise ValueError(
                    f"fold_policy held_out needs test_chroms in each fold; empty: {empty}"
                )
        judged = self.quality.targets if self.quality else {}
        unknown = sorted(set(judged) - {t.name for t in self.targets})
        if unknown:
            raise ValueError(f"quality names {', '.join(unknown)}, which is not a target")
        permutation = self.rc.task_permutation
        if permutation is not None and sorted(permutation) != list(range(len(permutation))):
            raise ValueError(
                f"rc.task_permutation must be a permutation of 0..n-1, got {permutation}"
            )
        return self

    def _check_custom_objects(self) -> None:
        if self.custom_objects and not declared(self.adapter).reads_objects:
            able = " or ".join(adapters_that("reads_objects"))
            raise ValueError(
                f"custom_objects are read by the adapter {able}, and adapter {self.adapter} does "
                "not read them; correct adapter, or leave them out"
            )
        for name, path in self.custom_objects.items():
            if not is_import_path(path):
                raise ValueError(
                    f"custom_objects: {path!r} of {name} is not an import path, layers.py:Name or "
                    "package.module:Name"
                )

    def _check_track(self, track: TrackConfig) -> None:
        scales = {t.name: t.scale for t in self.targets}
        for name in track.counts:
            if "counts" not in scales.get(name, ""):
                raise ValueError(
                    f"track {track.name}: counts names {name!r}, which is not a target of scale "
                    "counts, log_counts or log1p_counts"
                )
        if len(track.counts) not in (0, 1, len(track.tasks)):
            raise ValueError(f"track {track.name}: give one target of counts, or one per task")
        permutation = self.rc.task_permutation
        swapped = [permutation[t] for t in track.tasks if permutation and t < len(permutation)]
        if not set(swapped) <= set(track.tasks):
            raise ValueError(
                f"track {track.name}: rc.task_permutation turns its tasks {track.tasks} into "
                f"{swapped}; a track holds both strands or neither"
            )

    @property
    def is_language_model(self) -> bool:
        """Does it read sequences and not windows, so that `zero_shot` takes it and others not?"""
        return declared(self.adapter).is_language_model

    @property
    def package(self) -> Package | None:
        """The optional dependency that reads it."""
        return declared(self.adapter).package

    @property
    def target_names(self) -> list[str]:
        """Names of the targets, in order."""
        return [t.name for t in self.targets]

    @property
    def groups(self) -> dict[str, str | None]:
        """Target -> its group."""
        return {t.name: t.group for t in self.targets}

    @property
    def has_many_targets(self) -> bool:
        """Are there so many that each has a page of its own, and no table a column for each."""
        return len(self.targets) > MANY_TARGETS

    def chosen(self, wanted: Iterable[str] | None) -> list[str]:
        """Return the targets that words mean, in order: names, groups or patterns; None: all."""
        if wanted is None:
            return self.target_names
        found = {t for targets in chosen(wanted, self.groups).values() for t in targets}
        return [t for t in self.target_names if t in found]

    def of_targets(self, wanted: Iterable[str]) -> Self:
        """Return the model with some targets alone, which keep the names of their files."""
        names = set(self.chosen(wanted))
        found = self.model_copy(update={"targets": [t for t in self.targets if t.name in names]})
        found.__dict__["file_names"] = self.file_names
        return found

    @cached_property
    def file_names(self) -> dict[str, str]:
        """Name of each target and track -> its part of file names."""
        return file_names(t.name for t in (*self.targets, *self.tracks))

    def named(self, file_name: str) -> str:
        """Return the target or track whose files have this name."""
        return self._named[file_name]

    @cached_property
    def _named(self) -> dict[str, str]:
        return {file: name for name, file in self.file_names.items()}

    def files_of(self, track: TrackConfig) -> list[str]:
        """Return the names of the bigWig files of a track, without their suffix."""
        name = self.file_names[track.name]
        return [f"{name}.{strand}" if strand else name for strand in track.strands]

    def folds_of(self, chrom: str) -> list[int]:
        """Return the indices of the folds that read a chromosome's windows: all of them, or with
        `fold_policy: held_out` those whose test_chroms hold it (there may be none)."""
        held_out = self.fold_policy == "held_out"
        return [i for i, f in enumerate(self.folds) if not held_out or chrom in f.test_chroms]

    def weaknesses(self, target: str | None = None) -> list[str]:
        """Return why results deserve doubt, a line each: of the model, then of each weak target
        (or of `target` alone)."""
        if self.quality is None:
            return []
        weak = [
            f"target {name}: {'; '.join(known.remarks)}"
            for name, known in self.quality.targets.items()
            if known.remarks and target in (None, name)
        ]
        return [*self.quality.remarks, *weak]

    def files(self) -> list[Path]:
        """Return every file that determines the model's output (weights of all folds, inputs)."""
        paths = [f.weights for f in self.folds if f.hub is None]
        paths += [p for f in self.folds for p in f.extra_weights.values()]
        return paths + [p for i in self.inputs for p in i.paths] + self.module_files()

    def watched_files(self) -> list[Path]:
        """Return the files whose bytes determine the model's output; of a folder, those in it."""
        return [file for path in self.files() for file in _files_in(path)]

    @property
    def folder(self) -> Path | None:
        """The folder of the model.yaml; None for a config that was read from no file."""
        return self._folder

    def placed(self, folder: Path) -> Self:
        """Return the config as of a model.yaml in `folder`, where its code is looked for."""
        found = self.model_copy()
        found._folder = folder
        return found

    def import_paths(self) -> dict[str, str]:
        """Return key -> import path, of all the user's code that the config names."""
        own = {} if self.module is None or ":" not in self.module else {"module": self.module}
        return own | {f"custom_objects.{name}": p for name, p in self.custom_objects.items()}

    def module_files(self) -> list[Path]:
        """Return the files that import paths name, and what they import from beside them.

        They are looked for without being run. What code on Python's path imports is not seen.
        """
        found = [module_files(path, self.folder) for path in self.import_paths().values()]
        return [*dict.fromkeys(file for files in found for file in files)]


def _files_in(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def model_sha256(config: ModelConfig, commits: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the hash of all that determines a model's output, and the hash of each file by name.

    commits: the commit of each name in a hub. Of one file the hash is the file's own. Files of one
    name (of several folds) have their folder in front.
    """
    paths = config.files()
    names = [p.name for p in paths]
    shown = [n if names.count(n) == 1 else f"{p.parent.name}/{n}" for n, p in zip(names, paths)]
    if len(set(shown)) < len(shown):
        shown = [str(p) for p in paths]
    hashes = {n: file_sha256(p) for n, p in zip(shown, paths)} | dict(commits)
    in_order = [*map(hashes.get, shown), *sorted(commits.items())]
    return (in_order[0] if len(in_order) == 1 else short_digest(in_order)), hashes


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder in name order."""
    digest = hashlib.sha256()
    for file in _files_in(path):
        with open(file, "rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
