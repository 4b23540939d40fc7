"""Write one target's predictions as bigWig, each value over the stride around its centre."""

from cisweep.job import Job
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.h5 import track_blocks

with Job(snakemake) as job:  # noqa: F821
    tile = job.plan.config.regions.tile
    width = tile.stride_bp if tile else job.plan.models[job.model].window_bp
    with job.product("bw") as path:
        write_bigwig(
            path,
            job.plan.source.lengths,
            track_blocks(job.inputs("h5")[0], f"predictions/{job.wildcards.target}"),
            width_bp=width,
        )
