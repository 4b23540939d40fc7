"""Predicted peaks: the regions on which the later steps work, and whether they are above chance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cisweep.contracts import Windows
from cisweep.outputs.tables import read_tsv
from cisweep.report.blocks import Cell, Column, Note, Section, Table, listed, number, place, plural
from cisweep.report.view import View

SHOWN = 5


@dataclass(frozen=True)
class Peaks:
    """The rows of peaks.tsv, one a peak and target, and of peaks_summary.tsv, by target."""

    table: pd.DataFrame
    summary: pd.DataFrame

    def of(self, target: str) -> pd.DataFrame:
        """Return the peaks of one target, the highest first."""
        mine = self.table[self.table["target"] == target]
        return mine.sort_values("prediction", ascending=False, kind="stable")

    def lacks(self, target: str) -> bool:
        """Were peaks of the target looked for, and none found?"""
        return target in self.summary.index and self.summary.loc[target, "n_selected"] == 0

    @property
    def has_null(self) -> bool:
        """Was shuffled sequence predicted?"""
        return bool((self.summary["n_null_windows"] > 0).any())

    @property
    def at_chance(self) -> list[str]:
        """The targets without a prediction above chance."""
        none = self.summary["n_above_chance"] == 0
        return self.summary.index[none].tolist() if self.has_null else []


def read_peaks(view: View) -> Peaks | None:
    """Return the selected peaks, if the run selects."""
    if not view.plan.is_on("select"):
        return None
    summary = read_tsv(view.folder / "peaks_summary.tsv").set_index("target")
    return Peaks(read_tsv(view.folder / "peaks.tsv"), summary)


def of_model(view: View) -> Section:
    """Return how many peaks each target has, at which rate, and its highest ones."""
    peaks = read_peaks(view)
    rows = [_row(row, peaks.of(row.Index)) for row in peaks.summary.itertuples()]
    columns = [
        Column("target"),
        Column("peaks", True, "a peak of several targets counts for each"),
        Column("by chance", True, "share of these peaks that is expected to be chance: their "
               "false discovery rate"),
        Column("above chance", True, "all local maxima that pass the rate, selected or not"),
        Column("smallest q", True, "of the highest local maximum"),
        Column("highest", True, "largest prediction of a peak, in the target's unit"),
        Column("lowest", True, "smallest prediction of a peak"),
        Column(f"the {SHOWN} highest"),
    ]  # fmt: skip
    section = Section([Note(_note(peaks))])
    section.blocks.append(Table("Predicted peaks of each target", columns, rows))
    n = len(peaks.table.drop_duplicates(["chrom", "start", "end", "strand"]))
    section.counts.append(("selected", n, "windows of high prediction, for the steps below"))
    section.warnings += _warnings(peaks)
    section.headlines += _headlines(view.config, peaks)
    return section


def _row(row: Any, mine: pd.DataFrame) -> list[str]:
    top = [place(r.chrom, r.start, r.end) for r in mine.head(SHOWN).itertuples()]
    ends = mine["prediction"].max(), mine["prediction"].min()
    return [
        row.Index,
        f"{row.n_selected:,}",
        number(row.fdr, 2),
        f"{row.n_above_chance:,}" if row.n_null_windows else "–",
        number(row.smallest_q, 2),
        *map(number, ends if len(mine) else (np.nan, np.nan)),
        ", ".join(top),
    ]


def _note(peaks: Peaks) -> str:
    text = (
        "Windows whose prediction is a local maximum and high enough, one peak where they overlap. "
        "The steps below look at these windows only. "
    )
    if not peaks.has_null:
        return text + (
            "They were chosen by their prediction, with no rate: no shuffled sequence was "
            "predicted (steps.select.null_windows), and it may give as many."
        )
    first = peaks.summary.iloc[0]
    text += (
        f"Chance is what the model predicts on {int(first.n_null_windows):,} windows of shuffled "
        "sequence: the dinucleotides of each stretch stay, their order does not. p of a peak "
        "(peaks.tsv) is the share of peaks there that are as high, q its false discovery rate "
        "(Benjamini and Hochberg) among all local maxima of the target."
    )
    needed = peaks.summary[peaks.summary["n_above_chance"] == 0]["n_needed"]
    if (needed > 1).any():
        text += (
            f" With so few, at least {int(needed.max())} local maxima of a target must stand above "
            "all of them for any to pass; more of it: steps.select.null_windows."
        )
    return text


def _warnings(peaks: Peaks) -> list[str]:
    """Return what the page says first: targets of which nothing is above chance."""
    targets = peaks.at_chance
    if not targets:
        return []
    rows = peaks.summary.loc[targets]
    whole = len(targets) == len(peaks.summary)
    text = (
        f"Nothing{'' if whole else ' of ' + listed(targets, 3)} is above chance: no prediction "
        f"{'of ' + listed(targets, 3) + ' ' if whole else ''}stands out from dinucleotide-shuffled "
        f"sequence at a false discovery rate of {rows['rate'].iloc[0]:g} (smallest q "
        f"{number(rows['smallest_q'].min(), 2)})."
    )
    n = int(rows["n_selected"].max())
    if n:
        text += (
            f" Up to {plural(n, 'window')} a target, the strongest, are shown all the same: they "
            "tell what the model reads, not what is in this sequence."
        )
    return [text]


def _headlines(config: Any, peaks: Peaks) -> list[str]:
    if not peaks.has_null:
        n = int(peaks.summary["n_selected"].max()) if len(peaks.summary) else 0
        return [f"The peaks (up to {n:,} a target) were chosen by prediction, with no rate."]
    found = []
    for row in peaks.summary[peaks.summary["n_above_chance"] > 0].head(SHOWN).itertuples():
        if config.fdr is not None:
            found.append(
                f"{row.Index}: {plural(row.n_selected, 'predicted peak')} at a false discovery "
                f"rate of {number(row.fdr, 2)} against dinucleotide-shuffled sequence."
            )
        else:
            found.append(
                f"{row.Index}: {plural(row.n_above_chance, 'prediction')} above chance (false "
                f"discovery rate {row.rate:g} against dinucleotide-shuffled sequence). Of "
                f"the {row.n_selected:,} strongest, which are shown, {number(100 * row.fdr, 2)} % "
                "are expected by chance."
            )
    return found


def given_selection(view: View) -> Note | None:
    """Return what a step's statistics do not know of: that its windows were selected."""
    peaks = read_peaks(view) if view.step.given_selection else None
    if peaks is None or not len(peaks.table):
        return None
    config = view.plan.step_config("select")
    too = " Windows of shuffled sequence, selected in the same way, would have it too."
    if config.fdr is not None:
        how = (
            "were selected by their prediction, and a share of them (up to "
            f"{number(peaks.summary['fdr'].max(), 2)}) may be chance"
        )
    elif peaks.has_null:
        rows = peaks.summary[peaks.summary["n_selected"] > 0]
        shares = [f"{number(100 * r.fdr, 2)} % of {r.Index}" for r in rows.itertuples()]
        how = (
            "were selected by their prediction alone, and many of them are expected by chance "
            f"({listed(shares, 5)})"
        )
    else:
        how = "were selected by their prediction alone, without a rate"
    return Note(
        f"Given the selection: the windows {how}. The p-values and rates here say what the model "
        "reads in these windows; they do not say that the genome has more of it than shuffled "
        f"sequence has.{too if config.fdr is None else ''}"
    )


def target_columns(view: View) -> list[tuple[Column, dict[str, Any]]]:
    """Return what the table of many targets says of their peaks."""
    rows = read_peaks(view).summary
    return [
        (Column("peaks", True), {t: Cell(f"{n:,}", n) for t, n in rows["n_selected"].items()}),
        (
            Column("by chance", True, "share of these peaks that is expected to be chance"),
            {t: Cell(number(fdr, 2), fdr) for t, fdr in rows["fdr"].items()},
        ),
    ]


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    if config.fdr is not None:
        rule = f"at a false discovery rate of {config.fdr:g} (Benjamini and Hochberg 1995)"
    elif config.top_n is not None:
        rule = f"the {config.top_n:,} highest of each target"
    else:
        rule = f"those above {config.threshold:g}"
    null = (
        f" Their null is the prediction of {config.null_windows:,} windows of "
        "dinucleotide-shuffled sequence."
        if config.null_windows
        else ""
    )
    return f"Peaks are local maxima of the prediction: {rule}.{null}"


def is_peak(peaks: Peaks, target: str, windows: Windows) -> np.ndarray:
    """Return which windows are peaks of the target, (N,) bool."""
    rows = peaks.of(target)
    spans = (rows[c].tolist() for c in ("chrom", "start", "end", "strand"))
    own = set(Windows.build(*spans).keys())
    return np.array([key in own for key in windows.keys()], dtype=bool)  # noqa: SIM118


def chosen(view: View, windows: Windows) -> dict[str, np.ndarray]:
    """Return of each target which windows are its peaks."""
    peaks = read_peaks(view)
    return {target: is_peak(peaks, target, windows) for target in peaks.summary.index}
