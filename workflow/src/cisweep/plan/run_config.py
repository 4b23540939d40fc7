"""The config of a run: one YAML, checked as a whole, with every error at once.

Relative paths are relative to the working directory, as everywhere in Snakemake; `{workflow}` at
the beginning of a path stands for the folder of this workflow, and s3://bucket/key for the copy of
that object.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from cisweep.config.base import Name, Strict, check_distinct
from cisweep.config.messages import as_line, example_of, messages
from cisweep.config.model import HUB, ModelConfig
from cisweep.config.objects import copy_path, is_object
from cisweep.config.yaml_files import check_values, read_yaml
from cisweep.errors import ConfigError
from cisweep.steps import all_steps
from cisweep.steps.base import TargetsConfig, unknown_targets

RESERVED = frozenset(
    ["benchmarks", "logs", "dropped_regions.tsv", "provenance.json"]
    + [name.lower() for step in all_steps().values() for name in step.reserved]
)
"""What results/<run>/ holds beside the folders of the models, in lower case."""

UPLOAD = "upload"
"""The key that names a place in S3 which is written to."""


class GenomeConfig(Strict):
    """The genome."""

    fasta: Path = Field(examples=["my_genome.fa"])
    """FASTA: plain, bgzip or gzip. An index (.fai, .gzi) that is missing is made."""


class TileConfig(Strict):
    """Tiles of a genome."""

    stride_bp: int = Field(ge=1, examples=[100])
    """Distance between the starts of two tiles."""
    start: int = Field(0, ge=0)
    """Only tiles whose centre is at this position or after it (0-based) are used, on every
    chromosome that `regions.chroms` matches."""
    end: int | None = Field(None, ge=1)
    """Only tiles whose centre is before this position are used (half-open: 20:0-1000000 has end
    1000000); null = to the end of the chromosome."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end is not None and self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        return self

    def part(self, low: int, high: int) -> tuple[int, int] | None:
        """Return the part of the bases [low, high) that is tiled, or None."""
        a, b = max(low, self.start), high if self.end is None else min(high, self.end)
        return (a, b) if a < b else None


class RegionsConfig(Strict):
    """Which regions of the genome are analysed, and what makes one unusable."""

    tile: TileConfig | None = Field(None, examples=[{"stride_bp": 100, "start": 0, "end": None}])
    """Tile the genome."""
    bed: Path | None = Field(None, examples=["my_peaks.narrowPeak"])
    """BED3 to BED12 or narrowPeak, plain or gzip; a window is centred on each row
    (narrowPeak: on its summit)."""
    edge: Literal["drop", "pad"] = "drop"
    """Drop a window that reaches beyond its chromosome, or pad it with N."""
    chroms: str = ".*"
    """Regular expression that the whole name of a chromosome must match."""
    max_n: float = Field(0.1, ge=0, le=1)
    """Largest share of N in a window."""
    blacklist: list[Path] = []
    """BED files; windows that overlap them are dropped."""
    max_dropped: float = Field(0.5, ge=0, le=1)
    """The run fails if a larger share of regions is dropped."""

    @field_validator("chroms")
    @classmethod
    def _regex(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.tile is not None and self.bed is not None:
            raise ValueError("give tile or bed, not both")
        return self


@cache
def steps_model() -> type[Strict]:
    """Return the model of `steps`, made from the registry: each step's config, or null for off."""
    fields: dict[str, Any] = {
        step.name: (step.config | None, Field(None, description=step.title))
        for step in all_steps().values()
    }
    return create_model("StepsConfig", __base__=Strict, __doc__="What to do.", **fields)


class RunConfigBase(Strict):
    """A run of cisweep."""

    run: Name = Field(examples=["my_run"])
    """Name of the run; its products are in results/<run>."""
    genome: GenomeConfig | None = Field(None, examples=[{"fasta": "my_genome.fa"}])
    """The genome (or give `sequences`); a run that only trains needs neither."""
    regions: RegionsConfig = Field(RegionsConfig(), examples=[{"bed": "my_peaks.narrowPeak"}])
    """Regions of the genome: `tile` or `bed`."""
    sequences: Path | None = Field(None, examples=["my_sequences.fa"])
    """Instead of genome and regions: a FASTA file, or a table with columns name and sequence."""
    models: dict[Name, Path | None] = Field({}, examples=[{"my_model": "models/my_model.yaml"}])
    """For each model, its id and its model.yaml. Each id becomes a folder under results/<run>."""
    motifs: Path | None = Field(None, examples=["my_motifs.meme"])
    """Motif file in MEME format; needed by seqlets, hits and experiments with motifs."""
    chunk_bp: int | None = Field(None, ge=100)
    """Bases of the genome (or of all sequences) whose regions one job handles; null = chosen from
    the regions and the models' windows so that a job takes minutes. The chosen number is printed at
    the start."""
    seed: int = Field(0, ge=0, lt=2**64)
    """Seed of the run."""
    device: str = "cpu"
    """cpu, cuda (a free GPU is taken), or cuda:N. A job that gets no GPU fails; it never continues
    on the CPU."""
    deterministic: bool = True
    """Use torch's deterministic algorithms."""
    tf32: bool = False
    """Allow TF32 on the GPU for predictions; attribution and design never use it."""
    upload: str | None = Field(None, pattern=r"^s3://[^/{}]+/[^{}]*[^/{}]$")
    """s3://bucket/folder: where the complete run is copied to, as folder/<run>, which belongs to
    the run: what else lies in it goes. See docs/cluster.md."""

    @field_validator("models")
    @classmethod
    def _names_of_models(cls, value: dict[str, Path | None]) -> dict[str, Path | None]:
        names = [name for name, path in value.items() if path is not None]
        check_distinct(names, "names of models")
        taken = next((n for n in names if n.lower() in RESERVED), None)
        if taken is not None:
            raise ValueError(f"{taken} is a file or folder of the run; give the model another name")
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", value):
            raise ValueError(f"cpu, cuda or cuda:N (N the GPU's number), got {value!r}")
        return value


@cache
def run_model() -> type[RunConfigBase]:
    """Return the complete model of the config, with the steps of the registry."""
    steps = steps_model()
    field = Field(default_factory=steps, examples=[{"predict": {}, "report": {}}],
                  description="What to do; a step not named here is off.")  # fmt: skip
    doc = RunConfigBase.__doc__
    return create_model("RunConfig", __base__=RunConfigBase, __doc__=doc, steps=(steps, field))


def _expand(value: Any, root: Path) -> Any:
    """Return a config's value with paths of files in place of `{workflow}` and s3://."""
    if is_object(value):
        return str(copy_path(value))
    if isinstance(value, str):
        return (
            value.replace("{workflow}", str(root), 1) if value.startswith("{workflow}") else value
        )
    if isinstance(value, dict):
        return {key: item if key == UPLOAD else _expand(item, root) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, root) for item in value]
    return value


def _read_model(model_id: str, path: Path) -> tuple[ModelConfig | None, list[str]]:
    where = f"models.{model_id} ({path})"
    try:
        data = read_yaml(path)
    except ConfigError as error:
        return None, [f"{where}: {error.what}. Mend: {error.mend}"]
    if not isinstance(data, dict):
        return None, [f"{where}: a model config is a mapping, got {type(data).__name__}"]
    return _checked_model(data, path, where)


def _checked_model(
    data: dict[str, Any], path: Path, where: str
) -> tuple[ModelConfig | None, list[str]]:
    """Return the config of what a model.yaml at `path` holds, or its faults; `data` is changed."""
    for fold in _items(data.get("folds")):
        if isinstance(fold, dict):
            weights = fold.get("weights")
            if isinstance(weights, str) and not weights.startswith(HUB):
                fold["weights"] = _beside(path, weights)
            extra = fold.get("extra_weights")
            if isinstance(extra, dict):
                fold["extra_weights"] = {k: _beside(path, v) for k, v in extra.items()}
    if isinstance(targets := data.get("targets"), dict) and "table" in targets:
        targets["table"] = _beside(path, targets["table"])
    for item in _items(data.get("inputs")):
        if isinstance(item, dict) and isinstance(item.get("paths"), list):
            item["paths"] = [_beside(path, p) for p in item["paths"]]
    try:
        return ModelConfig.model_validate(data).placed(path.parent), []
    except ValidationError as error:
        return None, messages(error, ModelConfig, where)


def _beside(path: Path, value: Any) -> Any:
    """Return a path of a model.yaml as seen from the working folder; another value as it is."""
    if is_object(value):
        return str(copy_path(value))
    return str(path.parent / value) if isinstance(value, str) and value else value


def _items(value: Any) -> list:
    return value if isinstance(value, list) else []


def read_model_config(path: str | Path) -> ModelConfig:
    """Return the checked model.yaml at `path`; raises ConfigError that lists every fault."""
    model, faults = _read_model(Path(path).stem, Path(path))
    if model is None:
        raise ConfigError("; ".join(faults))
    return model


def model_config_of(data: Mapping[str, Any], folder: Path) -> ModelConfig:
    """Return the checked config of what a model.yaml in `folder` would hold; raises as
    `read_model_config`."""
    path = folder / "model.yaml"
    model, faults = _checked_model(deepcopy(dict(data)), path, str(path))
    if model is None:
        raise ConfigError("; ".join(faults))
    return model


def _missing(data: Mapping[str, Any]) -> list[str]:
    """Return the faults of keys that this run needs and that are absent or null, with examples.

    It looks at what the user wrote, so that all of them are told beside faults of other keys.
    """
    steps, regions, models = (data.get(key) or {} for key in ("steps", "regions", "models"))
    on = {n for n, v in steps.items() if v is not None} if isinstance(steps, dict) else {"?"}
    named = not isinstance(models, dict) or any(path is not None for path in models.values())
    sources = [key for key in ("genome", "sequences") if data.get(key) is not None]
    placed = not isinstance(regions, dict) or {"tile", "bed"} & {
        k for k, v in regions.items() if v is not None
    }
    known = [step for name, step in all_steps().items() if name in on]
    wanting = [step.name for step in known if step.needs_motifs]
    trains, asks = (any(getattr(s, k) for s in known) for k in ("makes_weights", "needs_model"))
    only_trains = trains and not asks
    found = {}
    if not sources and (named or not only_trains):
        found["genome"] = "missing; give genome and regions, or sequences"
    if not placed and "sequences" not in sources and (named or not only_trains):
        found["regions"] = "give tile or bed"
    if not named and not only_trains:
        found["models"] = "at least one model is needed"
    if wanting and data.get("motifs") is None:
        found["motifs"] = f"missing; needed by {', '.join(wanting)} (a file in MEME format)"
    if not on:
        found["steps"] = "no step is on, so there is nothing to do"
    fields = run_model().model_fields
    return [f"{k}: {s}; for example {as_line(k, example_of(fields[k]))}" for k, s in found.items()]


def _check_logic(config: Any, models: dict[str, ModelConfig]) -> list[str]:
    """Return what single fields cannot know: sources, needed steps."""
    found = []
    on = {n: s for n, s in all_steps().items() if getattr(config.steps, n) is not None}
    if config.genome is not None and config.sequences is not None:
        found.append("sequences: give genome or sequences, not both")
    for name in sorted(on):
        missing = [n for n in on[name].needs if n not in on]
        found += [f"steps.{name}: needs the step {n}; add it under steps" for n in missing]
        own = getattr(config.steps, name)
        if isinstance(own, TargetsConfig):
            found += unknown_targets(f"steps.{name}.targets", own.targets, models)
        found += on[name].faults(config, models)
    return found


def needless_nulls(config: Any) -> list[str]:
    """Return what to tell of keys that took a part of the demo out, when it lay under each config.

    A step that is null is off, which is a thing to say.
    """
    keys = [f"models.{name}" for name, path in config.models.items() if path is None]
    if "tile" in config.regions.model_fields_set and config.regions.tile is None:
        keys.append("regions.tile")
    if "genome" in config.model_fields_set and config.genome is None:
        keys.append("genome")
    why = "is no longer needed: your file no longer inherits values from the demo"
    return [f"{key}: null {why}" for key in keys]


def _check_inputs(config: Any, models: dict[str, ModelConfig]) -> list[str]:
    """Return what models need of a genome or of a table that the run's source is not."""
    found = []
    for model_id, model in models.items():
        for item in model.inputs:
            where = f"models.{model_id}: input {item.name!r}"
            if item.kind == "bigwig" and config.genome is None:
                found.append(
                    f"{where}: needs a genome: a bigWig holds positions in a genome, and "
                    "sequences have none"
                )
            if item.kind == "column" and config.sequences is None:
                found.append(f"{where}: is a column of a table of sequences, and the run has none")
        if config.genome is None and model.fold_policy == "held_out":
            found.append(
                f"models.{model_id}: fold_policy: held_out goes by the chromosome of a window, and "
                "sequences have none; set fold_policy: mean in the model.yaml"
            )
    return found


def paths_in(value: Any, key: str = "") -> Iterator[tuple[str, Path]]:
    """Yield (key, path) of all paths in a config, keys in full."""
    if isinstance(value, Path):
        yield key, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from paths_in(getattr(value, name), f"{key}.{name}" if key else name)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from paths_in(item, f"{key}.{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from paths_in(item, f"{key}.{i}")


def load_config(data: Mapping[str, Any], root: Path) -> tuple[Any, dict[str, ModelConfig]]:
    """Return the checked config of a run and its models' configs.

    data: the mapping from YAML; root: the workflow's folder, for `{workflow}`.
    Raises ConfigError that lists every fault: key, what is wrong.
    """
    check_values(data, "config")
    data = _expand(data, root)
    faults = _missing(data)
    config = None
    try:
        config = run_model().model_validate(data)
    except ValidationError as error:
        faults += messages(error, run_model())
    given = data.get("models")
    models: dict[str, ModelConfig] = {}
    for model_id, path in given.items() if isinstance(given, dict) else ():
        if path is None:
            continue
        model, problems = _read_model(str(model_id), Path(str(path)))
        faults += problems
        if model is not None:
            models[str(model_id)] = model
    if config is not None:
        faults += _check_logic(config, models)
        faults += _check_inputs(config, models)
        for model_id, model in models.items():
            if config.chunk_bp is not None and config.chunk_bp < 2 * model.window_bp:
                faults.append(
                    f"chunk_bp: {config.chunk_bp} is less than twice the window of {model_id} "
                    f"({model.window_bp} bp)"
                )
    if faults:
        raise ConfigError(
            f"{len(faults)} fault(s) in the config:\n" + "\n".join(f"  - {f}" for f in faults)
        )
    return _completed(config), models


def _completed(config: Any) -> Any:
    """Return the config with what steps take from the config of others."""
    steps = {n: s for n, s in all_steps().items() if getattr(config.steps, n) is not None}
    own = {n: s.completed(config) for n, s in steps.items() if s.completed is not None}
    return config.model_copy(update={"steps": config.steps.model_copy(update=own)})
