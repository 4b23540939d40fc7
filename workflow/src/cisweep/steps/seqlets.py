"""seqlets: called spans of high attribution, named by the closest motifs."""

from typing import Self

from pydantic import Field, model_validator

from cisweep.steps.base import Shown, Step, StepConfig


class SeqletsConfig(StepConfig):
    """Recursive seqlets at a false discovery rate against attributions of shuffled sequences. A
    place that several windows cover counts once, in the window in which it is most central."""

    fdr: float = Field(0.2, gt=0, lt=1)
    """Accepted share of false calls, per target and sign (0.2 as in TF-MoDISco), given the
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
    """Largest number of shuffled windows that are explained as the null of the FDR. If the run has
    more windows than this or than 400 / fdr, as many are drawn and shuffled once each; if it has
    fewer than 40 / fdr, each is shuffled as often as needed to have 40 / fdr."""
    clip: float = Field(1e-4, ge=0, lt=0.5)
    """Share of positions at each end of the distribution of attributions that is clipped, so that
    one outlier does not flatten the background."""
    nearest: int = Field(3, ge=1)
    """Number of closest motifs that Tomtom lists for each seqlet."""
    name_rate: float = Field(0.05, gt=0, lt=1)
    """Largest share of random spans, of the same lengths in the same windows, that may have a name.
    A seqlet has the name of the match over it of a family that drives the target (step hits), of a
    match over it and its neighbour, or of its closest motif, if at most this share of random spans
    is named as well."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_len > self.max_len:
            raise ValueError(f"min_len {self.min_len} is above max_len {self.max_len}")
        return self


STEP = Step(
    name="seqlets",
    version=7,
    order=40,
    config=SeqletsConfig,
    title="Seqlets",
    about="motifs",
    products=lambda config, model: [
        "seqlets.bed",
        "seqlets.parquet",
        "seqlet_summary.tsv",
    ],
    browser={
        "seqlets.bed": Shown(
            "seqlets",
            "44,122,75",
            "Spans of high attribution, named by target and motif; :negative where it lowers the "
            "prediction. Score: size of the attribution, 1000 for the largest of the target.",
        )
    },
    needs=("attribute",),
    needs_motifs=True,
    given_selection=True,
)
