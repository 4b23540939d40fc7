"""ablate: what is lost when the hits of each motif are shuffled out, beside random spans."""

from pydantic import Field

from cisweep.steps.base import Step, StepConfig


class AblateConfig(StepConfig):
    """Ablation of motif hits inside the selected peaks (or regions)."""

    motifs: list[str] | None = None
    """Identifiers or names of the motifs to use; null = all that have hits."""
    n_shuffles: int = Field(20, ge=1)
    """Shuffles of each hit."""
    n_controls: int = Field(5, ge=1)
    """Random spans, as long as the hit and in its window, with which each hit is compared. Each is
    shuffled n_shuffles / n_controls times, so that all of them cost as much as the hit."""
    max_hits: int = Field(50, ge=1)
    """Hits of each motif that are ablated: of those inside a region the ones with the lowest
    p-values that do not overlap."""
    min_hits: int = Field(5, ge=2)
    """Motifs with fewer ablated hits are listed without rank and q-value."""
    batch_size: int = Field(256, ge=1)
    """Windows that go to the device at once."""


STEP = Step(
    name="ablate",
    version=3,
    order=72,
    config=AblateConfig,
    title="Ablation of motif hits",
    about="motifs",
    products=lambda config, model: [
        "ablate.parquet",
        "ablate.hits.parquet",
        "figures/ablate.svg",
    ],
    needs=("hits",),
    needs_motifs=True,
    reads_regions=True,
    given_selection=True,
)
