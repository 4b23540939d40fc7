"""Which motifs one job of the step marginalize puts into the backgrounds.

A block is as many motifs as read `chunk_bp` bases, each in all its backgrounds, so that one key
sets the size of all jobs.
"""

from functools import partial

from cisweep.genome.motifs import Motif
from cisweep.plan.chunks import split_items
from cisweep.plan.contents import Check
from cisweep.plan.contents.backgrounds import check_backgrounds
from cisweep.plan.contents.motifs import block_key, choose_motifs, refuse_wide
from cisweep.plan.plan import Plan
from cisweep.plan.workload import bases_of_job


def marginal_motifs(plan: Plan) -> list[Motif]:
    """Return the motifs of the step marginalize; MotifError for one that is wider than a window."""
    found = choose_motifs(plan.known_motifs, plan.step_config("marginalize").motifs,
                          "steps.marginalize.motifs")  # fmt: skip
    for name, model in plan.models.items():
        refuse_wide(found, model.window_bp, f"model {name} reads", where="steps.marginalize.motifs",
                    mend="leave it out")  # fmt: skip
    return found


def chunks(plan: Plan, model: str) -> dict[str, range]:
    """Return chunk -> its motifs, as rows of `marginal_motifs`."""
    step, width = plan.step_config("marginalize"), plan.models[model].window_bp
    return split_items([step.n_backgrounds * width] * len(marginal_motifs(plan)),
                       bases_of_job(plan))  # fmt: skip


def chunk_key(plan: Plan, model: str, chunk: str) -> str:
    """Return a hash of the motifs of a chunk."""
    motifs = marginal_motifs(plan)
    return block_key([motifs[i] for i in chunks(plan, model)[chunk]])


def checks(plan: Plan) -> list[Check]:
    """Return the checks of the motifs and of the windows they are put into."""
    return [partial(marginal_motifs, plan), partial(check_backgrounds, plan, "marginalize")]
