"""What the step report reads beside the run's products: genes, names of families of motifs."""

from functools import partial

from cisweep.genome.gtf import check_genes
from cisweep.genome.motif_families import read_motif_families
from cisweep.plan.contents import Check
from cisweep.plan.plan import Plan


def checks(plan: Plan) -> list[Check]:
    """Return the checks of the step's GTF and of its TSV of families."""
    config = plan.step_config("report")
    found: list[Check] = []
    if config.genes is not None and plan.is_genome:
        found.append(partial(check_genes, config.genes, plan.source.lengths))
    if config.motif_families is not None:
        found.append(partial(read_motif_families, config.motif_families))
    return found
