"""gc: how many bases of each window are G or C."""

from cisweep.steps.base import Shown, Step, StepConfig


class GcConfig(StepConfig):
    """Counts of G and C."""


STEP = Step(
    name="gc",
    version=1,
    order=5,
    config=GcConfig,
    title="G and C",
    products=lambda config, model: ["gc.tsv", "tracks/gc.bedgraph"],
    browser={"gc.bedgraph": Shown("G and C", "91,107,122")},
    drops=lambda config: "regions",
)
