"""Call seqlets of some chunks, in their windows and in the shuffled copies of these."""

from cisweep.job import Job
from cisweep.jobs.seqlets import Beside, SeqletInputs, seqlets_chunk

with Job(snakemake) as job:  # noqa: F821
    of = job.of_chunk_of("seqlets")
    beside = Beside.read(of, job.inputs("beside"))
    with job.reuse(beside.digest, leave_out=("beside",)) as unchanged:
        if not unchanged:
            background, null = job.given("background"), job.given("null")
            given = SeqletInputs(background, job.inputs("chunks"), null, beside)
            with job.outputs("table", "tally") as out:
                seqlets_chunk(of, given, *out)
