"""Merge the designs of all chunks: table, sequences, edits as VCF, histories, figures."""

from cisweep.job import Job
from cisweep.jobs.design import DesignProducts, design

with (
    Job(snakemake) as job,  # noqa: F821
    job.listed("figures") as figures,
    job.outputs("table", "history", "fasta", "vcf", "tbi", "dropped") as out,
):
    parts = job.inputs("tables"), job.inputs("histories")
    design(job.of_run, *parts, DesignProducts(*out), figures)
