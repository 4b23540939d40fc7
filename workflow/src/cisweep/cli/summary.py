"""What a run says at its end: what it found, and where the page is."""

from pathlib import Path

from cisweep.errors import ProductError

FINDING = "finding: "
"""How a line of the page's job log begins that is a finding: the first sentences of the page."""
MOST = 8


def closing(results: Path, code: int) -> list[str]:
    """Return the lines that end a run: the findings of the page and its path.

    code: exit status of Snakemake; after a failure only how the run goes on.
    """
    if code:
        return ["the run is not complete; the same command goes on from what is there"]
    page = results / "report.html"
    if not page.is_file():
        return [f"done; the products are in {results}"]
    found = findings(results)
    more = [f"and {len(found) - MOST} more on the page"] if len(found) > MOST else []
    listed = [f"  {line}" for line in [*found[:MOST], *more]]
    return [*(["Findings:"] if listed else []), *listed, f"The page: {page}"]


def findings(results: Path) -> list[str]:
    """Return the findings that the page's job has noted, in the order of the page."""
    log = results / "logs" / "report_page.log"
    if not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.removeprefix(FINDING) for line in lines if line.startswith(FINDING)]


def page_of(results: Path) -> Path:
    """Return the path of a run's page; raises ProductError where there is none."""
    page = results / "report.html"
    if page.is_file():
        return page.absolute()
    raise ProductError(
        "the run has no page", where=str(page),
        mend="set steps.report: {} and run it (cisweep run)",
    )  # fmt: skip
