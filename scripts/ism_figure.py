"""Draw the regions with the highest predictions of one target: heat map and logo."""

from cisweep.job import Job
from cisweep.outputs.mutagenesis import strongest_regions
from cisweep.plot.mutagenesis import MutatedRegion, save_mutagenesis

with Job(snakemake) as job, job.product("figure") as path:  # noqa: F821
    target, n = job.wildcards.target, job.plan.step_config("ism").top_figures
    regions = [MutatedRegion(*r) for r in strongest_regions(job.inputs("h5")[0], target, n)]
    save_mutagenesis(regions, path, name=target)
