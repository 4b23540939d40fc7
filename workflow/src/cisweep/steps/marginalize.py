"""marginalize: what each motif does to each target when it stands in background windows."""

from typing import Literal

from pydantic import Field

from cisweep.steps.base import Step, StepConfig


class BackgroundConfig(StepConfig):
    """Windows into which motifs are put."""

    backgrounds: Literal["shuffled", "gc_matched", "random"] = "shuffled"
    """Dinucleotide shuffles of the regions (or selected peaks), windows of the genome with their GC
    content, or any windows of the genome."""
    n_backgrounds: int = Field(100, ge=2)
    """How many."""
    motifs: list[str] | None = None
    """Identifiers or names of the motifs to use; null = all of the motif file."""
    batch_size: int = Field(256, ge=1)
    """Windows that go to the device at once."""


class MarginalizeConfig(BackgroundConfig):
    """Effects of all motifs of the motif file on each target."""


STEP = Step(
    name="marginalize",
    version=2,
    order=70,
    config=MarginalizeConfig,
    title="Marginal effects of motifs",
    about="motifs",
    products=lambda config, model: ["marginalize.parquet", "figures/marginalize.svg"],
    needs_motifs=True,
    reads_regions=True,
)
