"""ablate: what is lost when the hits of each motif are shuffled out, beside random spans."""

from pydantic import Field

from cisweep.steps.base import Step, StepConfig


class AblateConfig(StepConfig):
    """Ablation of motif hits inside the selected peaks (or regions)."""

    motifs: list[str] | None = None
    """Identifiers or names of the motifs to use; null = all that have hits."""
    n_shuffles: int = Field(20, ge=1)
    """Number of shuffles of each hit."""
    n_controls: int = Field(5, ge=1)
    """Number of random spans with which each hit is compared. They are as long as the hit and lie
    in its window. Each is shuffled n_shuffles / n_controls times, so that all of them together cost
    as much as the hit."""
    max_hits: int = Field(50, ge=1)
    """Largest number of hits of each motif that are ablated: of the hits inside a region, those
    with the lowest p-values that do not overlap."""
    min_hits: int = Field(5, ge=2)
    """A motif with fewer ablated hits is listed without rank and q-value."""
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
