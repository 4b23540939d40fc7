"""Find the motifs that one target's attributions form; name and draw them."""

from cisweep.job import Job
from cisweep.jobs.discover import DiscoverProducts, discover

with Job(snakemake) as job, job.outputs("h5", "seqlets", "meme", "table", "figure") as out:  # noqa: F821
    discover(job.of_target, job.given("h5"), DiscoverProducts(*out))
