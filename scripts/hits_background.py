"""Count the bases of the whole source, block by block."""

import json

from cisweep.genome.fasta import base_counts
from cisweep.job import Job

with Job(snakemake) as job:  # noqa: F821
    counts = base_counts(job.plan.source)
    job.say(f"A C G T N: {counts}")
    with job.product("counts") as path:
        path.write_text(json.dumps(dict(zip("ACGTN", counts))) + "\n")
