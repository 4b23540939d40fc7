"""Which pairs of motifs one job of the step space puts into the backgrounds: blocks, as those of
marginalize, in the order of the config."""

from collections.abc import Sequence
from functools import partial

from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif
from cisweep.plan.chunks import split_items
from cisweep.plan.contents import Check
from cisweep.plan.contents.backgrounds import check_backgrounds
from cisweep.plan.contents.motifs import block_key, choose_motifs
from cisweep.plan.plan import Plan
from cisweep.plan.workload import bases_of_job


def spaced_pairs(plan: Plan) -> list[tuple[Motif, Motif]]:
    """Return the pairs of the step space; MotifError for one that does not fit into a window."""
    step, motifs = plan.step_config("space"), plan.known_motifs
    pairs = [(choose_motif(motifs, a), choose_motif(motifs, b)) for a, b in step.pairs]
    if step.product:
        chosen = choose_motifs(motifs, step.motifs, "steps.space.motifs")
        pairs += [(a, b) for a in chosen for b in chosen]
    for model in plan.models.values():
        check_spacing(pairs, step.distances, model.window_bp)
    return pairs


def check_spacing(pairs: list[tuple[Motif, Motif]], distances: list[int], width: int) -> None:
    """Raise MotifError if a pair at the largest distance is wider than the window."""
    for a, b in pairs:
        total = a.width + max(distances) + b.width
        if total > width:
            raise MotifError(
                f"{a.name} and {b.name} at {max(distances)} bp take {total} bp, and the window has "
                f"{width}",
                where="steps.space.distances",
                mend="use shorter distances",
            )


def chunks(plan: Plan, model: str) -> dict[str, range]:
    """Return chunk -> its pairs, as rows of `spaced_pairs`."""
    step, width = plan.step_config("space"), plan.models[model].window_bp
    arrangements = 3 * len(step.distances) * len(step.orientations)  # the pair, each motif alone
    size = arrangements * step.n_backgrounds * width
    return split_items([size] * len(spaced_pairs(plan)), bases_of_job(plan))


def chunk_key(plan: Plan, model: str, chunk: str) -> str:
    """Return a hash of the motifs of the pairs of a chunk."""
    pairs = spaced_pairs(plan)
    return block_key([motif for i in chunks(plan, model)[chunk] for motif in pairs[i]])


def checks(plan: Plan) -> list[Check]:
    """Return the checks of the pairs and of the windows they are put into."""
    return [partial(spaced_pairs, plan), partial(check_backgrounds, plan, "space")]


def choose_motif(motifs: Sequence[Motif], name: str) -> Motif:
    """Return the one motif of this identifier or name; MotifError if there are none or several."""
    found = choose_motifs(motifs, [name], "steps.space.pairs")
    exact = [m for m in found if m.name == name]
    if len(exact or found) > 1:
        raise MotifError(
            f"{len(found)} motifs are called {name}: {', '.join(m.name for m in found)}",
            where="steps.space.pairs",
            mend="use one of the identifiers",
        )
    return (exact or found)[0]
