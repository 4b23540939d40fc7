"""Find the predicted peaks: local maxima of each target, strongest first, in genome order."""

from cisweep.analysis.peaks import predicted_peaks
from cisweep.job import Job
from cisweep.outputs.h5 import prediction_blocks
from cisweep.outputs.tables import write_bed

with Job(snakemake) as job:  # noqa: F821
    config, model = job.plan.step_config("select"), job.plan.models[job.model]
    targets = [t for t in model.target_names if config.targets is None or t in config.targets]
    peaks = predicted_peaks(
        lambda target: prediction_blocks(job.inputs("h5")[0], target),
        targets,
        top_n=config.top_n,
        threshold=config.threshold,
        min_distance_bp=config.min_distance_bp or model.window_bp,
        order=list(job.plan.source.lengths),
    )
    job.say(f"{len(peaks)} peaks")
    with job.product("peaks") as path:
        write_bed(peaks, path, ["chrom", "start", "end", "name", "score", "strand"])
