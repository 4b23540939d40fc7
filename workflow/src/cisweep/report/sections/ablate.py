"""Ablation: what the matches in real windows are worth."""

from cisweep.report.blocks import Heading, Note, Section, signed
from cisweep.report.effects import SHOWN, effects_table
from cisweep.report.view import View


def of_model(view: View) -> Section:
    """Return the motifs whose hits matter most to each target."""
    table = view.table("ablate.parquet")
    note = Note(
        f"The {view.config.max_hits} best matches of each motif that do not overlap were shuffled "
        f"out of their windows ({view.config.n_shuffles} shuffles each). The effect is the mean of "
        "prediction without the match − prediction with it: below 0 the match supports the "
        "prediction. Motifs stand in the order of the end of the interval that is nearer to no "
        "effect, so that few matches do not decide; those with fewer than "
        f"{view.config.min_hits} stand in ablate.parquet only."
    )
    section = Section([note])
    for target in view.targets:
        mine = table[(table["target"] == target.name) & table["rank"].notna()]
        best = mine.sort_values("rank").head(SHOWN)
        caption = (
            f"The {len(best)} of {len(mine):,} motifs whose matches weigh most for {target.name}"
        )
        shown = effects_table(view, best, target.name, caption, "matches")
        section.blocks += [Heading(f"Target {target.name}"), shown]
        if len(best) and best["ci_high"].iloc[0] < 0:
            first = best.iloc[0]
            section.headlines.append(
                f"Without its matches of {first['name'] or first['motif']}, {target.name} falls "
                f"most: {signed(first['effect'])} {view.unit(target.name)} in the mean of "
                f"{first['n']:,} matches."
            )
    return section
