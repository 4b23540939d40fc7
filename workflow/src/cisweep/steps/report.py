"""report: one page that a biologist can show, without internet."""

from pydantic import Field

from cisweep.steps.base import Step, StepConfig


class ReportConfig(StepConfig):
    """The page results/<run>/report.html."""

    top_regions: int = Field(8, ge=0)
    """Regions a target shown as track, logo, seqlets and hits."""
    top_motifs: int = Field(10, ge=1)
    """Motif families a target in the ranking."""


STEP = Step(
    name="report",
    version=2,
    order=90,
    config=ReportConfig,
    title="Report",
    run_products=lambda config: ["report.html"],
)
