"""Find the motifs that one target's attributions form; name and draw them."""

from cisweep.job import Job
from cisweep.jobs.discover import DiscoverProducts, discover

NAMES = ("h5", "seqlets", "meme", "table", "figure", "instances", "bed")
with Job(snakemake) as job, job.outputs(*NAMES) as out:  # noqa: F821
    discover(job.of_target, job.given("h5"), DiscoverProducts(*out))
