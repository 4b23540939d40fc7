"""Does a fold read each chromosome that a run asks its models about? Known before any job.

With `fold_policy: held_out` a window is read by the folds that hold out its chromosome.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cisweep.config.model import ModelConfig
from cisweep.errors import ConfigError
from cisweep.genome.variants.reading import Variant

if TYPE_CHECKING:
    from cisweep.plan.plan import Plan

SWEEPING = ("predict", "attribute", "ism", "marginalize", "ablate", "space")
"""Steps that ask the models about regions of the run."""


def check_chroms(name: str, model: ModelConfig, chroms: Iterable[str], asked_by: str) -> None:
    """Raise a ConfigError if no fold of a model reads one of the chromosomes.

    name: id of the model; asked_by: key of the config that asks for them.
    """
    for chrom in dict.fromkeys(chroms):
        if not model.folds_of(chrom):
            raise ConfigError(
                f"no fold holds out chromosome {chrom!r}, and {asked_by} asks for it",
                where=f"models.{name}: folds",
                mend="add it to folds.test_chroms of a fold, or set regions.chroms or "
                "fold_policy: mean",
            )


def check_folds(plan: "Plan") -> None:
    """Raise a ConfigError for a chromosome of the regions or backgrounds that no fold reads."""
    if not any(plan.is_on(step) for step in SWEEPING):
        return
    for name, model in plan.models.items():
        if plan.given is not None:
            parts = plan.placed_windows(name).values()
            check_chroms(name, model, (c for w in parts for c in w.chrom), "regions.bed")
        for step in ("marginalize", "space"):
            if plan.is_on(step) and plan.step_config(step).backgrounds != "shuffled":
                asked_by = f"steps.{step}.backgrounds"
                check_chroms(name, model, _long_enough(plan, model), asked_by)
        if plan.given is None:
            tile, lengths = plan.config.regions.tile, plan.source.lengths
            asked = [c for c in _long_enough(plan, model) if tile.part(0, lengths[c])]
            check_chroms(name, model, asked, "regions.tile")


def with_a_fold(plan: "Plan", variants: Iterable[Variant]) -> Iterator[Variant]:
    """Yield variants as they come; raises a ConfigError at the first that no fold reads."""
    seen: set[str] = set()
    for variant in variants:
        if variant.chrom not in seen:
            for name, model in plan.models.items():
                if model.adapter != "hf_lm":  # the matter of zero_shot
                    check_chroms(name, model, [variant.chrom], "steps.variants.path")
            seen.add(variant.chrom)
        yield variant


def _long_enough(plan: "Plan", model: ModelConfig) -> list[str]:
    """Return the wanted chromosomes in which a whole window of a model stands."""
    lengths = plan.source.lengths
    return [c for c, bp in lengths.items() if plan.wanted(c) and bp >= model.window_bp]
