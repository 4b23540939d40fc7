"""Join the counts of all chunks: a table, and a bedGraph for genome browsers."""

from cisweep.jobs.gc import gc

from cisweep.job import Job

with Job(snakemake) as job, job.outputs("table", "bedgraph") as out:  # noqa: F821
    gc(job.of_model, job.inputs("chunks"), *out)
