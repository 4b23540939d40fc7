"""discover: the motifs that attributions form, by tf-modiscolite."""

from typing import Any

from pydantic import Field

from cisweep.config.base import Package
from cisweep.config.model import ModelConfig
from cisweep.steps.base import Step, StepConfig


class DiscoverConfig(StepConfig):
    """Motifs that the attributions of the selected regions form, by tf-modiscolite. A place that
    several regions cover gives one seqlet."""

    window_bp: int = Field(400, ge=40)
    """Central bases of each region in which seqlets are called. What lies around them, as far as a
    motif grows (40 bp on both sides), is read too, if attribute's save_bp stores it."""
    max_regions: int = Field(20_000, ge=1)
    """Regions that are searched; of more, a sample drawn by their coordinates. With a window of
    400 bp 20,000 of them take 1 GB."""
    min_seqlets: int = Field(100, ge=20)
    """Seqlets of a sign without which no motifs of this sign are sought."""
    max_seqlets: int = Field(10_000, ge=20)
    """Seqlets of a sign that are clustered; each takes about 0.1 s and 0.15 MB."""
    target_fdr: float = Field(0.05, gt=0, lt=1)
    """Share of false seqlets that is accepted, against a Laplace null."""
    n_leiden_runs: int = Field(2, ge=1)
    """Runs of the clustering, of which the best is taken; their seeds are fixed."""
    nearest: int = Field(3, ge=1)
    """Closest motifs of the motif file that Tomtom lists for each found one."""
    name_rate: float = Field(0.05, gt=0, lt=1)
    """Share of random patterns (as certain as the found one, of sequence drawn from the regions;
    and its own columns shuffled) that get a name: a found motif has the name of the closest known
    one if no more have one as close."""


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    attribute = run.steps.attribute
    if attribute is None or attribute.hypothetical:
        return []
    mend = "set steps.attribute.hypothetical: true"
    return [f"steps.discover: needs the attributions of all four bases; {mend}"]


STEP = Step(
    name="discover",
    version=4,
    order=45,
    config=DiscoverConfig,
    title="Motif discovery",
    about="motifs",
    products=lambda config, model: [
        path
        for t in model.target_names
        for path in (
            f"discover/{t}.modisco.h5",
            f"discover/{t}.meme",
            f"discover/{t}.tsv",
            f"discover/{t}.seqlets.tsv",
            f"figures/discover.{t}.svg",
        )
    ],
    needs=("attribute",),
    needs_motifs=True,
    package=Package("modiscolite", "tf-modiscolite", "motifs"),
    faults=_faults,
    given_selection=True,
)
