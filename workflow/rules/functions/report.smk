"""Functions of the rules of report."""

from cisweep.outputs.browser import browser_tracks
from cisweep.outputs.hub import composites
from cisweep.plan.page import page_figures, page_key, target_pages
from cisweep.steps.report import HUB_FILES

BROWSER = f"{RESULTS}/browser"
SHOWN = browser_tracks(path.removeprefix(f"{RESULTS}/") for path in PLAN.products())


def browser_files():
    """Return the merged products that a genome browser shows."""
    return [f"{RESULTS}/{track.path}" for track in SHOWN]


def bigbed_files():
    """Return the bigBeds of those that are BED."""
    return [f"{BROWSER}/{track.bigbed}" for track in SHOWN if track.is_rows]


def own_figures():
    """Return the figures that the page draws itself."""
    return [f"{RESULTS}/{path}" for path in page_figures(PLAN)]


def given_files():
    """Return what the page reads beside products: GTF of genes, TSV of families of motifs."""
    step = PLAN.step_config("report")
    given = [] if step is None else [step.genes, step.motif_families]
    return [str(path) for path in given if path is not None]


def hub_files():
    """Return the files of the UCSC track hub, if one is wanted."""
    step = PLAN.step_config("report")
    if step is None or step.hub is None or not PLAN.is_genome:
        return []
    pages = [composite.page for composite in composites(SHOWN)]
    return [f"{BROWSER}/{name}" for name in (*HUB_FILES, *pages)]
