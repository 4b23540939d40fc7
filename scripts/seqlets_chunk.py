"""Call seqlets of a chunk, in its windows and in their shuffled copies."""

from cisweep.job import Job
from cisweep.jobs.seqlets import Beside, SeqletInputs, seqlets_chunk

with Job(snakemake) as job:  # noqa: F821
    beside = Beside.read(job.inputs("beside"))
    with job.reuse(beside.digest, leave_out=("beside",)) as unchanged:
        if not unchanged:
            files = map(job.given, ("background", "h5", "null"))
            with job.outputs("table", "tally") as out:
                seqlets_chunk(job.of_chunk, SeqletInputs(*files, beside), *out)
