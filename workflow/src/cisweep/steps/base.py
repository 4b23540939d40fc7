"""What a step declares about itself, without torch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from cisweep.config.base import Package, Strict
from cisweep.config.model import ModelConfig
from cisweep.config.target_table import chosen, nearest


class StepConfig(Strict):
    """Base of a step's config; `steps: {name: {}}` turns a step on with its defaults."""


class TargetsConfig(StepConfig):
    """Base of the config of a step that can work with some targets of a model alone.

    Its jobs, products and part of the page see a model of these targets (`Plan.model_of`); of a
    model that has none of them it makes nothing.
    """

    targets: list[str] | None = None
    """Names, groups or patterns of the targets that the step is about; null = all."""


FLOAT_BYTES = 3.6
"""Bytes of a float32 in an HDF5 file: noise does not get smaller (benchmarks/SCALE.md)."""
Drops = Literal["regions", "own_regions", "items"]


About = Literal["training", "motifs", "variants and designs", "regions"]
"""What a part of the page is about, in the order of the page."""


class Shown(NamedTuple):
    """How genome browsers show a product (bigWig; BED6; VCF with .tbi; others only in IGV).

    what: what it is, in a word or two; color: R,G,B; about: a
    sentence or two for those who see the track alone, with what a score means; as_letters: the
    values belong to the bases, which are then drawn as letters of that height (dynseq).
    """

    what: str
    color: str
    about: str = ""
    as_letters: bool = False


def unknown_targets(
    key: str, wanted: Iterable[str] | None, models: Mapping[str, ModelConfig]
) -> list[str]:
    """Return a fault for each word that is no target, group or pattern of targets of any model."""
    found = [chosen(wanted or [], model.groups) for model in models.values()]
    known = [n for m in models.values() for t, g in m.groups.items() for n in (t, g) if n]
    return [
        f"{key}: no model has the target {word!r}, a group of this name, or a target that it "
        f"matches as a pattern{nearest(word, known)}"
        for word in wanted or []
        if models and not any(each[word] for each in found)
    ]


@dataclass(frozen=True)
class Step:
    """One step of a run, and all that the rest of the package asks of it.

    Its chunks and the checks of its files are in cisweep.plan.contents, its part of the page in
    cisweep.report.sections, each under its name.

    What it is. name: its key under `steps`; version: raised only when results change, so that
    finished jobs rerun then and only then; order: its place in the run and the report; config: its
    config model; title: heading of its part of the report; unscoped: config fields that do not
    determine results (sizes of batches); added: config fields that came after `version`, each with
    the value that gives the results of before, at which it is no part of the settings.

    What it leaves. products: (step config, model config) -> paths under results/<run>/<model>/;
    run_products: paths under results/<run>/; takes_model: does it make products of such a model;
    genome_only: products that a run on sequences does not have (tracks/ never is one of these);
    too_large: (step config, model config, windows of the run) -> products that it then leaves out;
    reserved: files and folders of results/<run>/ that are its own, so that no model has their name;
    browser: end of a product's name -> how genome browsers show it.

    What it needs. needs: steps that must be on; needs_motifs, needs_model: must the run name a
    motif file, a model; package: an optional dependency; faults: (config of the run, id -> model
    config) -> what its own config cannot know to be wrong; completed: config of the run -> its own
    config with what those of other steps decide.

    What its jobs do. reads_regions: are models asked about regions of the run, so that a fold must
    read each chromosome; run_models: ids of the models that a job without a model of its own reads;
    makes_weights: does it train models of the run; passes: (step config, model config, are peaks
    selected) -> how often a window goes through the network, about; share: (step config, model
    config, windows of the run) -> the largest share of them that it leaves to the steps behind it,
    None for all; disk: (step config, model config, is the source a genome) -> bytes that a window
    takes in all files of the step and its chunks, about; explains: does it attribute the windows
    that the run leaves; heavy: model config -> how often a window that it alone reads goes through
    the network, whatever its options are; drops: what chunks/<name>/<chunk>.dropped.tsv tell:
    "regions" of the run (the first such step that is on accounts for them), "own_regions", "items"
    that are no regions, or None.

    What the report says. in_report: is it part of the page and of
    the run's summary; drawn: (step config, config of a model, or None of the run) -> names of the
    figures that the page draws itself, of which its job makes files; about: what its part of the
    page is about, in the order of About; given_selection: are its statistics about the selected
    windows alone.
    """

    name: str
    version: int
    order: int
    config: type[StepConfig]
    title: str
    unscoped: frozenset[str] = field(default_factory=lambda: frozenset({"batch_size"}))
    added: Mapping[str, Any] = field(default_factory=dict)
    products: Callable[[Any, ModelConfig], list[str]] = lambda config, model: []
    run_products: Callable[[Any], list[str]] = lambda config: []
    takes_model: Callable[[ModelConfig], bool] = lambda model: True
    genome_only: frozenset[str] = frozenset()
    too_large: Callable[[Any, ModelConfig, int], set[str]] = lambda config, model, n: set()
    reserved: frozenset[str] = frozenset()
    browser: Mapping[str, Shown] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    needs_motifs: bool = False
    needs_model: bool = True
    package: Package | None = None
    faults: Callable[[Any, dict[str, ModelConfig]], list[str]] = lambda run, models: []
    completed: Callable[[Any], StepConfig] | None = None
    reads_regions: bool = False
    run_models: Callable[[Any], list[str]] = lambda config: []
    makes_weights: bool = False
    passes: Callable[[Any, ModelConfig, bool], float] = lambda config, model, selects: 0.0
    share: Callable[[Any, ModelConfig, int], float] | None = None
    disk: Callable[[Any, ModelConfig, bool], float] = lambda config, model, is_genome: 0.0
    explains: bool = False
    heavy: Callable[[ModelConfig], float] | None = None
    drops: Callable[[Any], Drops | None] = lambda config: None
    in_report: bool = True
    drawn: Callable[[Any, ModelConfig | None], list[str]] = lambda config, model: []
    about: About = "regions"
    given_selection: bool = False

    def model_of(self, config: StepConfig, model: ModelConfig) -> ModelConfig:
        """Return a model with the targets that the step's config asks for."""
        wanted = config.targets if isinstance(config, TargetsConfig) else None
        return model if wanted is None else model.of_targets(wanted)

    def takes(self, config: StepConfig, model: ModelConfig) -> bool:
        """Does it make products of a model?"""
        return self.takes_model(model) and bool(self.model_of(config, model).targets)

    def settings(self, config: StepConfig) -> dict:
        """Return the part of the step's config that determines its results."""
        values = config.model_dump(mode="json", exclude=set(self.unscoped))
        # The results of a finished run stay as they were made: nothing of it is computed again.
        as_before = {name for name, value in self.added.items() if values.get(name) == value}
        return {name: value for name, value in values.items() if name not in as_before}
