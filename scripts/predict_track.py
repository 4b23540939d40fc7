"""Write one target's predictions, or one track, as bigWig."""

from cisweep.job import Job
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.h5 import prediction_blocks
from cisweep.outputs.predictions import counts_blocks

with Job(snakemake) as job:  # noqa: F821
    config, h5, name = job.plan.models[job.model], job.inputs("h5")[0], job.wildcards.target
    tracks = {t.name: t for t in config.tracks}
    tile, width = job.plan.config.regions.tile, None
    if name in tracks:
        strand = getattr(job.wildcards, "strand", "")
        blocks = counts_blocks(h5, tracks[name], tracks[name].strands.index(strand))
    else:  # a scalar fills the stride around its window's centre
        blocks, width = prediction_blocks(h5, name), tile.stride_bp if tile else config.window_bp
    with job.product("bw") as path:
        write_bigwig(path, job.plan.source.lengths, blocks, width_bp=width)
