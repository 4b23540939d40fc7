"""Count the bases and dinucleotides of the whole source, block by block."""

import json

from cisweep.genome.fasta import word_counts
from cisweep.job import Job

with Job(snakemake) as job:  # noqa: F821
    bases, dinucleotides = word_counts(job.plan.source)
    job.say(f"A C G T N: {bases}")
    with job.product("counts") as path:
        counts = dict(zip("ACGTN", bases)) | {"dinucleotides": dinucleotides}
        path.write_text(json.dumps(counts) + "\n")
