"""report: one page that a biologist can show, without internet."""

from pathlib import Path
from typing import Any

from pydantic import Field

from cisweep.config.base import Strict
from cisweep.config.model import ModelConfig
from cisweep.steps.base import Step, StepConfig

SESSIONS = ("igv.xml", "igv.json")
HUB_FILES = ("hub.txt", "genomes.txt", "trackDb.txt", "description.html")
"""Of results/<run>/browser/; beside them bigBeds, and a page for each kind of track of the hub."""
_BROWSER = [f"browser/{name}" for name in (*SESSIONS, *HUB_FILES)]


class HubConfig(Strict):
    """A UCSC track hub over the run's tracks: put the run's folder on a web server, and give UCSC
    the address of browser/hub.txt."""

    assembly: str = Field(pattern=r"^[A-Za-z0-9_.]+$", examples=["hg38"])
    """UCSC's name of the genome: hg38, sacCer3. The sessions use it too, in place of the FASTA."""
    email: str = Field(pattern=r"^\S+@\S+$", examples=["me@my.org"])
    """Address for questions of the hub's users; UCSC requires it."""


class ReportConfig(StepConfig):
    """The page results/<run>/report.html, and results/<run>/browser/ for genome browsers: sessions
    of IGV (igv.xml) and igv.js (igv.json), peaks, seqlets and hits as bigBed."""

    top_regions: int = Field(8, ge=0)
    """Number of regions per target that are shown with track, logo, seqlets and hits."""
    top_motifs: int = Field(10, ge=1)
    """Number of motif families per target in the ranking."""
    explorer_mb: float = Field(4.0, ge=0, le=100, allow_inf_nan=False)
    """MB of tracks in the page's explorer; a larger run shows its strongest regions. 0: no
    explorer."""
    genes: Path | None = None
    """GTF of the genome's genes, plain or gzip, for a track of the explorer and the nearest gene of
    each region."""
    motif_families: Path | None = None
    """TSV with the columns motif (id or name in the motif file) and family: names of families, as
    TFClass or JASPAR give them, in place of their first member's."""
    hub: HubConfig | None = None
    """Write a UCSC track hub into browser/: hub.txt, genomes.txt, trackDb.txt and their pages."""


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    if run.genome is None and run.steps.report.hub:
        return [
            "steps.report.hub: needs a genome: a track hub shows positions in a genome, and "
            "sequences have none"
        ]
    if run.genome is None and run.steps.report.genes:
        return [
            "steps.report.genes: needs a genome: genes have places in one, and sequences have none"
        ]
    return []


STEP = Step(
    name="report",
    version=4,
    order=90,
    config=ReportConfig,
    title="Report",
    run_products=lambda config: [
        "report.html",
        *(_BROWSER if config.hub else _BROWSER[: len(SESSIONS)]),
    ],
    genome_only=frozenset(_BROWSER),
    reserved=frozenset({"report.html", "browser", "figures"}),
    needs_model=False,
    faults=_faults,
    in_report=False,
)
