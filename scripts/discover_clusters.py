"""Join the motifs that were found for the targets of all models; draw who uses which."""

from cisweep.job import Job
from cisweep.jobs.discover import ClusterProducts, FoundParts, discover_clusters

NAMES = ("clusters", "members", "targets", "meme", "figure")
with Job(snakemake) as job, job.outputs(*NAMES) as out:  # noqa: F821
    parts = FoundParts(*(job.inputs(n) for n in ("h5", "tables", "instances", "seqlets")))
    discover_clusters(job.of_run, parts, ClusterProducts(*out))
