"""What the step report reads beside the run's products: the genes of its explorer."""

from functools import partial

from cisweep.genome.gtf import check_genes
from cisweep.plan.contents import Check
from cisweep.plan.plan import Plan


def checks(plan: Plan) -> list[Check]:
    """Return the check of the step's GTF."""
    genes = plan.step_config("report").genes
    if genes is None or not plan.is_genome:
        return []
    return [partial(check_genes, genes, plan.source.lengths)]
