"""Cut the calls of all chunks at the FDR and name the seqlets."""

from cisweep.job import Job
from cisweep.jobs.seqlets import SeqletParts, seqlets

with Job(snakemake) as job, job.outputs("table", "bed", "summary") as out:  # noqa: F821
    given = SeqletParts(job.inputs("chunks"), job.inputs("tallies"), job.inputs("hits"))
    seqlets(job.of_model, given, *out)
