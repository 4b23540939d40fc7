"""Join the rows of all dropped regions and variants; fail if too many regions were dropped."""

from cisweep.job import Job
from cisweep.outputs.tables import append_tsv, read_tsv, write_tsv
from cisweep.plan.accounting import check_share, dropped_table

with Job(snakemake) as job:  # noqa: F821
    parts = [read_tsv(path) for path in job.inputs("regions")]
    table = dropped_table(job.plan, parts)
    job.say(f"{len(table)} regions dropped")
    check_share(job.plan, table)
    with job.product("table") as path:
        write_tsv(table, path)
        # Line by line: a gVCF drops more rows than fit into memory.
        n = append_tsv(job.inputs("others"), path)
        job.say(f"{n} other items dropped")
