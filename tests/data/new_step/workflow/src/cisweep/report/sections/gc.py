"""The part of the page on G and C."""

from cisweep.report.blocks import Note, Section
from cisweep.report.view import View


def of_model(view: View) -> Section:
    """Return the mean count."""
    table = view.table("gc.tsv")
    text = f"{len(table)} windows have {table['gc'].mean():.2f} G or C on average."
    return Section([Note(text)], counts=[("counted", len(table), "windows")])
