"""Which experiments one job makes: blocks of motifs, of pairs of motifs; the order of the config.

A block is as many experiments as read `chunk_bp` bases, each in all its backgrounds, so that one
key sets the size of all jobs.
"""

from cisweep.contracts import digest
from cisweep.errors import ConfigError, MotifError
from cisweep.genome.motifs import Motif
from cisweep.plan.chunks import split_items
from cisweep.plan.contents.backgrounds import choose_motif, choose_motifs
from cisweep.plan.plan import Plan
from cisweep.plan.workload import bases_of_job


def marginal_motifs(plan: Plan) -> list[Motif]:
    """Return the motifs of the step marginalize; MotifError for one that is wider than a window."""
    found = choose_motifs(plan.known_motifs, plan.step_config("marginalize").motifs,
                          "steps.marginalize.motifs")  # fmt: skip
    for name, model in plan.models.items():
        wide = [m for m in found if m.width > model.window_bp]
        if wide:
            raise MotifError(
                f"it has {wide[0].width} positions, and model {name} reads {model.window_bp} bp",
                where=f"steps.marginalize: motif {wide[0].name}",
                mend="leave the motif out (steps.marginalize.motifs)",
            )
    return found


def marginal_chunks(plan: Plan, model: str) -> dict[str, range]:
    """Return chunk -> its motifs, as rows of `marginal_motifs`."""
    step, width = plan.step_config("marginalize"), plan.models[model].window_bp
    return split_items([step.n_backgrounds * width] * len(marginal_motifs(plan)),
                       bases_of_job(plan))  # fmt: skip


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


def space_chunks(plan: Plan, model: str) -> dict[str, range]:
    """Return chunk -> its pairs, as rows of `spaced_pairs`."""
    step, width = plan.step_config("space"), plan.models[model].window_bp
    arrangements = 3 * len(step.distances) * len(step.orientations)  # the pair, each motif alone
    size = arrangements * step.n_backgrounds * width
    return split_items([size] * len(spaced_pairs(plan)), bases_of_job(plan))


def block_key(motifs: list[Motif]) -> str:
    """Return a hash of motifs: the `params` by which one block reruns."""
    return digest(*(f"{m.label}:{m.pwm.tobytes().hex()}" for m in motifs))


def check_experiments(plan: Plan) -> None:
    """Raise MotifError or ConfigError for motifs that are unknown or too wide, or no regions."""
    if plan.is_on("marginalize"):
        marginal_motifs(plan)
    if plan.is_on("space"):
        spaced_pairs(plan)
    if plan.is_on("ablate"):
        choose_motifs(plan.known_motifs, plan.step_config("ablate").motifs, "steps.ablate.motifs")
        if plan.given is None and not plan.is_on("select"):
            raise ConfigError(
                "hits are ablated in regions, and the regions are tiles",
                where="steps.ablate",
                mend="turn on the step select, or give regions.bed",
            )
