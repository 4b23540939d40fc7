"""Find the motifs of some targets' attributions by tf-modiscolite; name and draw them."""

from cisweep.job import Job
from cisweep.jobs.discover import DiscoverProducts, discover

NAMES = ("h5", "seqlets", "meme", "table", "figure", "instances", "bed")
with Job(snakemake) as job, job.all_listed(*NAMES) as out:  # noqa: F821
    targets = [path.removesuffix(".modisco.h5") for path, *_ in out]
    products = [DiscoverProducts(*paths) for _, *paths in out]
    discover(job.of_model, job.given("h5"), dict(zip(targets, products)))
