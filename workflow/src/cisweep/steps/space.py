"""space: what pairs of motifs do over a range of distances and orientations."""

from typing import Literal, Self

from pydantic import Field, model_validator

from cisweep.steps.base import Step
from cisweep.steps.marginalize import BackgroundConfig


class SpaceConfig(BackgroundConfig):
    """Effects of pairs of motifs."""

    pairs: list[tuple[str, str]] = []
    """Pairs of motifs, by identifier or name; the first stands on the left."""
    product: bool = False
    """Use all ordered pairs of `motifs` too, including each motif with itself."""
    distances: list[int] = [0, 2, 4, 6, 8, 10, 15, 20, 30, 40, 50, 75, 100]
    """Number of bases between the two motifs."""
    orientations: list[Literal["++", "+-", "-+", "--"]] = Field(
        ["++", "+-", "-+", "--"], min_length=1
    )
    """Strands of the two motifs."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.pairs and not self.product:
            raise ValueError("give pairs, or product: true with motifs")
        if self.product and not self.motifs:
            raise ValueError("product: true needs motifs, a short list")
        if not self.distances or min(self.distances) < 0:
            raise ValueError("distances must be whole numbers from 0, at least one")
        return self


STEP = Step(
    name="space",
    version=1,
    order=74,
    config=SpaceConfig,
    title="Spacing of motifs",
    about="motifs",
    products=lambda config, model: ["space.parquet", "figures/space.svg"],
    needs_motifs=True,
    reads_regions=True,
)
