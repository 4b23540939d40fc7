"""Marginal effects: what each motif does by itself."""

from cisweep.report.blocks import Heading, Note, Section, signed
from cisweep.report.effects import SHOWN, effects_table, strongest
from cisweep.report.view import View

_KINDS = {
    "shuffled": "dinucleotide shuffles of the regions (or selected peaks)",
    "gc_matched": "windows of the genome with the GC content of the regions",
    "random": "windows of the genome",
}


def of_model(view: View) -> Section:
    """Return the motifs with the largest effects on each target."""
    table = view.table("marginalize.parquet")
    kind = _KINDS[view.config.backgrounds]
    note = Note(
        f"Each motif's consensus was put into the middle of {view.config.n_backgrounds} background "
        f"windows ({kind}). The effect is the mean of prediction with motif − prediction without. "
        "It asks what a motif does by itself, where the motif hits say what its matches in real "
        "windows contribute."
    )
    section = Section([note])
    for target in view.targets:
        mine = table[table["target"] == target.name]
        best = strongest(mine, SHOWN)
        caption = (
            f"The {len(best)} of {len(mine):,} motifs with the largest effects on {target.name}"
        )
        shown = effects_table(view, best, target.name, caption, "windows")
        section.add(target.name, [Heading(f"Target {target.name}"), shown])
        raising = mine[mine["ci_low"] > 0]
        if len(raising):
            first = raising.loc[raising["effect"].idxmax()]
            section.headlines.append(
                f"Put into background windows, {first['name'] or first['motif']} raises "
                f"{target.name} most: {signed(first['effect'])} {view.unit(target.name)} "
                f"({signed(first['ci_low'])} to {signed(first['ci_high'])})."
            )
    return section


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    return (
        "The marginal effect of a motif is the mean change of the prediction when its consensus is "
        f"put into {config.n_backgrounds} {config.backgrounds.replace('_', '-')} sequences."
    )
