"""Does a fold read each chromosome that a run asks its models about? Known before any job.

With `fold_policy: held_out` a window is read by the folds that hold out its chromosome.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cisweep.config.model import ModelConfig
from cisweep.errors import ConfigError

if TYPE_CHECKING:
    from cisweep.plan.plan import Plan


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
    """Raise a ConfigError for a chromosome of the regions that no fold reads."""
    if not any(step.reads_regions for step in plan.steps.values()):
        return
    for name, model in plan.models.items():
        if plan.given is not None:
            check_chroms(name, model, plan.placed_chroms(name), "regions.bed")
        else:
            tile, lengths = plan.config.regions.tile, plan.source.lengths
            asked = [c for c in long_enough(plan, model) if tile.part(0, lengths[c])]
            check_chroms(name, model, asked, "regions.tile")


def long_enough(plan: "Plan", model: ModelConfig) -> list[str]:
    """Return the wanted chromosomes in which a whole window of a model stands."""
    lengths = plan.source.lengths
    return [c for c, bp in lengths.items() if plan.wanted(c) and bp >= model.window_bp]
