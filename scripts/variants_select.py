"""Read the variants, check them against the genome, and keep those that can be scored."""

from itertools import chain, islice

from cisweep.genome.variants.reading import VariantPolicy, dropped_variants_table
from cisweep.genome.variants.selection import Selection
from cisweep.job import Job
from cisweep.outputs.tables import write_dropped_blocks
from cisweep.outputs.variants import write_selected
from cisweep.plan.contents.variants import with_a_fold
from cisweep.temporary import scratch_folder

BLOCK = 50_000  # dropped variants that are written at once

with (
    Job(snakemake) as job,  # noqa: F821
    job.product("selected") as selected,
    job.product("dropped") as unread,
    scratch_folder(unread) as folder,
):
    plan, step = job.plan, job.plan.step_config("variants")
    policy = VariantPolicy.of(step)
    found = Selection(step.path, plan.source, policy, plan.wanted, folder)
    n = write_selected(with_a_fold(plan, found.kept()), selected)
    job.say(f"{n} of {n + found.n_dropped} variants can be scored")
    if found.n_blocks:
        job.say(f"{found.n_blocks} are reference blocks (<NON_REF>, <*>) or *; not in max_dropped")
    rows = iter(found.dropped())
    blocks = iter(lambda: list(islice(rows, BLOCK)), [])
    tables = map(dropped_variants_table, chain([[]], blocks))
    write_dropped_blocks(tables, "variants", "", unread)
