"""Saturation mutagenesis: which single substitutions matter most."""

from dataclasses import dataclass

import numpy as np

from cisweep.bases import BASES, text_of
from cisweep.contracts import stored_name
from cisweep.outputs.h5 import blocks as h5_blocks
from cisweep.outputs.h5 import n_rows, open_rows, read_windows
from cisweep.report.blocks import Column, Heading, Note, Section, Table, number, signed
from cisweep.report.view import View, counted_reasons

SHOWN = 10
_NOTE = (
    "Every base of the chosen regions was replaced by each of the other three. The effect is the "
    "prediction of the mutant − the prediction of the region as it is, in the target's unit: below "
    "0 the observed base supports the prediction. Places are 1-based, as in VCF."
)


@dataclass(frozen=True)
class Substitution:
    """A substitution: `chrom:place old>new` (1-based), the region's prediction, the effect."""

    name: str
    prediction: float
    effect: float


def strongest(view: View, target: str, n: int) -> list[Substitution]:
    """Return the n substitutions with the largest |effect|, read block by block."""
    found: dict[str, Substitution] = {}
    names = [f"effects/{stored_name(target)}", f"predictions/{stored_name(target)}"]
    with open_rows(view.folder / "ism.h5") as file:
        first = int(file.attrs["span_start"])
        for rows, values in h5_blocks(file, [*names, "tokens"], 64):
            effects, windows = values[names[0]], read_windows(file, rows)
            mine: dict[str, Substitution] = {}
            for flat in np.argsort(-np.abs(effects).ravel(), kind="stable").tolist():
                i, base, at = np.unravel_index(flat, effects.shape)
                old = text_of(values["tokens"][i, first + at])
                position_1based = int(windows.start[i]) + first + int(at) + 1
                name = f"{windows.chrom[i]}:{position_1based:,} {old}>{BASES[base]}"
                # A base that lies in two regions stands here once, with its larger effect.
                prediction, effect = float(values[names[1]][i]), float(effects[i, base, at])
                mine.setdefault(name, Substitution(name, prediction, effect))
                if len(mine) == n:
                    break
            both = sorted([*found.values(), *mine.values()], key=lambda s: -abs(s.effect))
            found = {}
            for each in both:
                if len(found) < n:
                    found.setdefault(each.name, each)
    return list(found.values())


def of_model(view: View) -> Section:
    """Return the strongest substitutions of each target, and the heat maps."""
    with open_rows(view.folder / "ism.h5") as file:
        n = n_rows(file)
    section = Section([Note(_NOTE)], counts=[("mutated", n, "regions, every substitution")])
    if view.config.bed is not None:
        section.counts.append(("not mutated", *counted_reasons(view.dropped)))
    for target in view.targets:
        unit, best = view.unit(target.name), strongest(view, target.name, SHOWN)
        columns = [
            Column("substitution"),
            Column("prediction", True, f"of the region as it is, {unit}"),
            Column(f"effect ({unit})", True, "mutant − region"),
        ]
        rows = [[s.name, number(s.prediction), signed(s.effect)] for s in best]
        caption = f"The {len(best)} substitutions with the largest effects on {target.name}"
        section.add(target.name, [Heading(f"Target {target.name}"), Table(caption, columns, rows)])
        figure = f"figures/ism.{view.file_name(target.name)}.svg"
        if figure in view.products:
            drawn = view.figure(
                figure,
                f"Heat maps of all substitutions in the strongest regions of {target.name}.",
                "The regions with the highest predictions: effect of each substitution (rows: "
                f"new base) and, above, the logo of the observed bases ({unit}).",
            )
            section.add(target.name, [drawn])
        if best and not view.model_config.has_many_targets:
            section.headlines.append(
                f"{best[0].name} is the substitution that changes {target.name} most: "
                f"{signed(best[0].effect)} {unit}."
            )
    return section


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    return (
        "In silico saturation mutagenesis: the change of the prediction for each single-base "
        "substitution."
    )
