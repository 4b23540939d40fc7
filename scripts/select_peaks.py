"""Find the predicted peaks: local maxima of each target that shuffled sequence does not give."""

from cisweep.job import Job
from cisweep.jobs.select import select_peaks

with Job(snakemake) as job, job.outputs("peaks", "table", "summary") as out:  # noqa: F821
    select_peaks(job.of_model, job.given("h5"), job.inputs("nulls"), *out)
