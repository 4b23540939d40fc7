"""Predicted peaks: the regions on which the later steps work."""

from dataclasses import dataclass

import pandas as pd

from cisweep.report.blocks import Column, Note, Section, Table, number, place
from cisweep.report.view import View

SHOWN = 5
_BED = ["chrom", "start", "end", "name", "score", "strand"]


@dataclass(frozen=True)
class Peaks:
    """The rows of peaks.bed."""

    table: pd.DataFrame

    def of(self, target: str) -> pd.DataFrame:
        """Return the peaks of one target, the highest first."""
        names = self.table["name"].astype(str).str.split(",")
        mine = self.table[[target in each for each in names]]
        return mine.sort_values("score", ascending=False, kind="stable")


def read_peaks(view: View) -> Peaks | None:
    """Return the selected peaks, if the run selects."""
    if not view.plan.is_on("select"):
        return None
    path = view.folder / "peaks.bed"
    empty = path.stat().st_size == 0
    table = pd.DataFrame(columns=_BED) if empty else pd.read_csv(path, sep="\t", names=_BED)
    return Peaks(table)


def of_model(view: View) -> Section:
    """Return how many peaks each target has, and its highest ones."""
    peaks = read_peaks(view)
    rows = []
    for target in view.targets:
        mine = peaks.of(target.name)
        scores = mine["score"]
        top = [place(r.chrom, r.start, r.end) for r in mine.head(SHOWN).itertuples()]
        rows.append(
            [target.name, f"{len(mine):,}"]
            + ([number(scores.max()), number(scores.min())] if len(mine) else ["–", "–"])
            + [", ".join(top)]
        )
    columns = [
        Column("target"),
        Column("peaks", number=True, meaning="a peak of several targets counts for each"),
        Column("highest", number=True, meaning="largest prediction, in the target's unit"),
        Column("lowest", number=True, meaning="smallest prediction of a peak"),
        Column(f"the {SHOWN} highest"),
    ]
    note = Note(
        "Windows whose prediction is a local maximum and high enough, one peak where they overlap. "
        "The steps below look at these windows only."
    )
    table = Table("Predicted peaks of each target", columns, rows)
    remark = "windows of high prediction, for the steps below"
    return Section([note, table], counts=[("selected", len(peaks.table), remark)])
