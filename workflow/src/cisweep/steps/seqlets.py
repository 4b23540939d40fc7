"""seqlets: called spans of high attribution, named by the closest motifs."""

from typing import Self

from pydantic import Field, model_validator

from cisweep.steps.base import Step, StepConfig


class SeqletsConfig(StepConfig):
    """Recursive seqlets at a false discovery rate against attributions of shuffled sequences. A
    place that several windows cover counts once, in the window in which it is most central."""

    fdr: float = Field(0.2, gt=0, lt=1)
    """Share of false calls that is accepted, per target and sign (0.2 as in TF-MoDISco), given the
    selection of the windows."""
    threshold: float = Field(0.01, gt=0, lt=1)
    """p-value that every sub-span of a seqlet must pass (recursive_seqlets)."""
    min_len: int = Field(4, ge=2)
    """Shortest seqlet, bp."""
    max_len: int = Field(25, ge=2)
    """Longest seqlet, bp."""
    flanks: int = Field(0, ge=0)
    """Bases added on both sides of a call."""
    negative: bool = True
    """Call spans of negative attribution too."""
    null_windows: int = Field(20_000, ge=1)
    """Most shuffled windows that are explained too, as the null of the FDR: of more windows as many
    are drawn. Each drawn window is shuffled once, and of fewer than 40 / fdr windows each as often
    as it takes to have that many."""
    clip: float = Field(1e-4, ge=0, lt=0.5)
    """Share of positions at either end of the attributions that is clipped, so that one outlier
    does not flatten the background."""
    nearest: int = Field(3, ge=1)
    """Closest motifs that Tomtom names for each seqlet."""
    name_rate: float = Field(0.05, gt=0, lt=1)
    """Share of random spans, of the same lengths in the same windows, that get a name: a seqlet is
    called by the match over it of a family that drives the target (step hits), by a match over it
    and its neighbour, or by its closest motif, if no more are named as well."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_len > self.max_len:
            raise ValueError(f"min_len {self.min_len} is above max_len {self.max_len}")
        return self


STEP = Step(
    name="seqlets",
    version=5,
    order=40,
    config=SeqletsConfig,
    title="Seqlets",
    products=lambda config, model: [
        "seqlets.bed",
        "seqlets.parquet",
        "seqlet_summary.tsv",
    ],
    browser={"seqlets.bed": ("seqlets", "44,122,75")},
    needs=("attribute",),
    needs_motifs=True,
    given_selection=True,
)
