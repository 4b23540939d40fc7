"""report: the page of the run, and what genome browsers open."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cisweep.outputs.browser import (
    browser_tracks,
    genomes_text,
    hub_text,
    strongest_peak,
    track_db_text,
    write_igv_session,
)
from cisweep.outputs.tables import read_tsv
from cisweep.parts import read_json
from cisweep.report.page import read_page, render
from cisweep.scope import RunScope


def report_browser(of: RunScope, peaks: Iterable[Path], igv: Path, hub: Mapping[str, Path]) -> None:
    """Write an IGV session and, if wanted, a UCSC track hub over the run's tracks.

    peaks: peaks.bed of the models, for the place that is shown first. hub: "hub.txt",
    "genomes.txt" and "trackDb.txt" and where they are written, or none.
    """
    plan, folder = of.plan, Path(of.plan.results)
    wanted = plan.step_config("report").hub
    tracks = browser_tracks(path.removeprefix(f"{folder}/") for path in plan.products())
    locus = strongest_peak(peaks) or next(iter(plan.source.lengths))
    genome = wanted.assembly if wanted else os.path.relpath(plan.config.genome.fasta, folder)
    for left in write_igv_session(igv, tracks, folder, genome, locus):
        print(f"{left} is too large for a session: index it, and open it by hand")
    texts = {
        "hub.txt": lambda: hub_text(plan.config.run, wanted.email),
        "genomes.txt": lambda: genomes_text(wanted.assembly),
        "trackDb.txt": lambda: track_db_text(tracks),
    }
    for name, path in hub.items():
        path.write_text(texts[name]())


def report_page(of: RunScope, dropped: Path, provenance: Path, html: Path) -> None:
    """Write the page of the run from its merged products.

    dropped, provenance: of the jobs `dropped_regions` and `provenance`.
    """
    beside = [*of.plan.products_of("report")[1:], "dropped_regions.tsv", "provenance.json"]
    page = read_page(of.plan, read_tsv(dropped), read_json(provenance), beside)
    render(page, html)
    # `cisweep run` shows them at its end.
    for _, line in [*page.warnings, *page.headlines]:
        print(f"finding: {line}")
