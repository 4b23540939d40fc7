"""hits: where the motifs of the database match, how surely, and what each match contributes."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cisweep.config.model import ModelConfig
from cisweep.steps.base import Shown, Step, StepConfig

DRIVES = 0.05
"""Largest q-value at which a family of motifs is said to drive a target."""


class HitsConfig(StepConfig):
    """FIMO over merged intervals, both strands. p- and q-values are given the selection of the
    windows."""

    over: Literal["regions", "sweep"] = "regions"
    """Scan the selected regions, or every window of the run."""
    motifs: list[Literal["file", "discovered"]] = Field(["file"], min_length=1)
    """Which motifs are scanned: those of the motif file, those that the step discover finds for all
    targets of all models (motif_clusters/clusters.meme), or both. Discovered ones are ranked by
    what they explain and have no p and q there: they were formed from the same attributions."""
    threshold: float = Field(1e-4, gt=0, lt=1)
    """Largest p-value of a hit."""
    pseudocount: float = Field(1e-4, gt=0)
    """Number that is added to each probability of a matrix."""
    bin_size: float = Field(0.1, ge=1e-3, le=1)
    """Resolution of the score, in bits."""
    background: Literal["genome", "uniform", "markov1"] | list[float] = "genome"
    """Base frequencies A C G T with which a match is compared: those of the genome (both strands),
    0.25 each, or as given. `markov1` keeps the genome's dinucleotides too (a chain of order 1), so
    that p-values hold where CG is rare and AA is frequent."""
    null_copies: int = Field(50, ge=2)
    """Number of column-shuffled copies of each matrix. The mean attribution of a motif is ranked
    among those of all copies of all motifs: with n copies, the q-value of a single motif can fall
    to a little more than 1 / n."""

    bed: Literal["selected", "all"] = "selected"
    """Of a sweep, the matches in hits.bed: those in windows that are explained, or all. Those of a
    whole human genome make a file of tens of GB; hits.parquet has all of them anyway."""

    @property
    def scans_discovered(self) -> bool:
        """Are motifs scanned that the run itself discovers."""
        return "discovered" in self.motifs

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.motifs)) < len(self.motifs):
            raise ValueError(f"motifs {self.motifs}: name each of file and discovered once")
        given = self.background
        if isinstance(given, list) and (
            len(given) != 4 or min(given) <= 0 or abs(sum(given) - 1) >= 1e-3
        ):
            raise ValueError(
                f"background {given}: give four probabilities above 0, of A C G T, that sum to 1 "
                f"({len(given)} numbers with the sum {sum(given):g})"
            )
        return self


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    if not run.steps.hits.scans_discovered or run.steps.discover is not None:
        return []
    return [
        "steps.hits.motifs: has `discovered`, and the step discover is off; turn it on, or take "
        "`discovered` out of steps.hits.motifs"
    ]


STEP = Step(
    name="hits",
    version=5,
    order=50,
    config=HitsConfig,
    title="Motif hits",
    about="motifs",
    products=lambda config, model: [
        "hits.bed",
        "hits.parquet",
        "motif_families.tsv",
        "motif_ranking.tsv",
        "motif_targets.tsv",
        "figures/motif_targets.svg",
    ],
    reserved=frozenset({"base_counts.json"}),
    browser={
        "hits.bed": Shown(
            "motif hits", "91,107,122", "Matches of the motifs. Score: the higher, the stronger."
        )
    },
    needs_motifs=True,
    faults=_faults,
    drops=lambda config: "regions",
    given_selection=True,
    added={"motifs": ["file"]},
)
