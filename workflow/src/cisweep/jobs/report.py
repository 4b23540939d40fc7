"""report: the page of the run, and what genome browsers open."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cisweep.outputs.bigbed import write_bigbed
from cisweep.outputs.browser import (
    BrowserTrack,
    browser_tracks,
    igv_js_reference,
    igv_js_session,
    strongest_peak,
    write_igv_session,
)
from cisweep.outputs.hub import (
    composite_page,
    composites,
    genomes_text,
    hub_page,
    hub_text,
    track_db_text,
)
from cisweep.outputs.tables import read_tsv
from cisweep.parts import read_json
from cisweep.plan.page import target_pages
from cisweep.plan.plan import Plan
from cisweep.plot.of_page import draw_nothing
from cisweep.plot.saving import save_figure
from cisweep.report.page import page_of_target, read_page, render
from cisweep.report.view import UNITS
from cisweep.scope import RunScope


@dataclass(frozen=True)
class BrowserFiles:
    """Where report_browser writes.

    igv: session of IGV; igv_js: of igv.js; bigbed, hub: name in browser/ -> path, of the bigBeds
    and of the files of the track hub (none, if none is wanted).
    """

    igv: Path
    igv_js: Path
    bigbed: Mapping[str, Path]
    hub: Mapping[str, Path]


def report_browser(of: RunScope, peaks: Iterable[Path], files: BrowserFiles) -> None:
    """Write sessions of IGV and igv.js, bigBeds and, if wanted, a UCSC track hub.

    peaks: peaks.bed of the models, for the place that is shown first.
    """
    plan, folder = of.plan, Path(of.plan.results)
    wanted = plan.step_config("report").hub
    tracks = browser_tracks(path.removeprefix(f"{folder}/") for path in plan.products())
    locus = strongest_peak(peaks) or next(iter(plan.source.lengths))
    source = [os.path.relpath(path, folder / "browser") for path in plan.source_files]
    write_igv_session(files.igv, tracks, wanted.assembly if wanted else source[0], locus)
    genome = wanted.assembly if wanted else igv_js_reference(plan.config.run, source)
    files.igv_js.write_text(igv_js_session(tracks, genome, locus))
    for track in tracks:
        if track.is_rows:
            bed, bigbed = folder / track.path, files.bigbed[track.bigbed]
            write_bigbed(bigbed, bed, plan.source.lengths, track.kind.about or track.label)
    for name, text in _hub(plan, tracks).items() if wanted else ():
        files.hub[name].write_text(text)


def _hub(plan: Plan, tracks: list[BrowserTrack]) -> dict[str, str]:
    """Return name -> text of the files of the track hub."""
    run, wanted, found = plan.config.run, plan.step_config("report").hub, composites(tracks)
    pages = {
        each.page: composite_page(each, run, wanted.email, lambda track: _unit(plan, track))
        for each in found
    }
    return {
        "hub.txt": hub_text(run, wanted.email),
        "genomes.txt": genomes_text(wanted.assembly),
        "trackDb.txt": track_db_text(found, run),
        "description.html": hub_page(run, wanted.email, found),
        **pages,
    }


def _unit(plan: Plan, track: BrowserTrack) -> str:
    """Return the unit of a bigWig: that of its target, or of the model's output that it is."""
    model = plan.models[track.model]
    scales = {target.name: UNITS[target.scale] for target in model.targets}
    counted = {
        f"{output.name} {strand}".strip()
        for output in model.tracks
        if output.counts
        for strand in output.strands
    }
    return scales.get(track.name) or ("counts per base" if track.name in counted else "value")


def report_page(
    of: RunScope,
    dropped: Path,
    provenance: Path,
    html: Path,
    figures: Mapping[str, Path],
    targets: Mapping[str, Path],
) -> None:
    """Write the page of the run, the figures that it draws itself and the pages of single targets,
    from merged products.

    dropped, provenance: of the jobs `dropped_regions` and `provenance`; figures: name.svg of a
    figure (`page_figures`) -> path; targets: name of the page of a target (`target_pages`) -> path.
    """
    beside = [*of.plan.products_of("report")[1:], "dropped_regions.tsv", "provenance.json"]
    # It counts them; their other columns are most of a large table.
    rows = read_tsv(dropped, ["step", "model", "reason"])
    page = read_page(of.plan, rows, read_json(provenance), beside)
    render(page, html)
    for path, (model, target) in target_pages(of.plan).items():
        render(page_of_target(page, of.plan, model, target), targets[Path(path).name])
    for name, path in figures.items():
        draw = page.drawings.get(name.removesuffix(".svg"))
        save_figure(draw() if draw else draw_nothing("The run has nothing to draw here."), path)
    # `cisweep run` shows them at its end.
    for _, line in [*page.warnings, *page.headlines]:
        print(f"finding: {line}")
