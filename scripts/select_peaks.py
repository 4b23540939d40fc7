"""Find the predicted peaks: local maxima of each target that shuffled sequence does not give."""

from cisweep.analysis.prediction.peak_null import PeakNull
from cisweep.analysis.prediction.peak_selection import PeakRules, predicted_peaks
from cisweep.job import Job
from cisweep.outputs.h5 import prediction_blocks
from cisweep.outputs.peaks import read_null, write_peaks
from cisweep.outputs.tables import write_tsv
from cisweep.steps.select import FDR

with Job(snakemake) as job:  # noqa: F821
    config, model = job.plan.step_config("select"), job.plan.models[job.model]
    targets = [t for t in model.target_names if config.targets is None or t in config.targets]
    parts = [read_null(path) for path in job.inputs("nulls")]
    found = predicted_peaks(
        lambda target: prediction_blocks(job.inputs("h5")[0], target),
        targets,
        PeakRules(
            config.min_distance_bp or model.window_bp, config.fdr, config.top_n, config.threshold
        ),
        order=list(job.plan.source.lengths),
        nulls=(
            {t: PeakNull.merge(PeakNull(s[t], n) for s, n in parts) for t in targets}
            if config.null_windows
            else None
        ),
        rate=FDR,
    )
    for row in found.summary.itertuples():
        job.say(
            f"{row.target}: {row.n_selected} of {row.n_maxima} local maxima are selected; "
            + (
                f"{row.n_above_chance} pass a false discovery rate of {row.rate:g} against "
                f"{row.n_null_maxima} of shuffled sequence (smallest q {row.smallest_q:.3g})"
                if config.null_windows
                else "no shuffled sequence was predicted, so they have no rate"
            )
        )
        if row.n_needed > 1 and not row.n_above_chance:
            job.say(
                f"  with this null at least {row.n_needed} must stand above all of it for any to "
                "pass: raise steps.select.null_windows"
            )
    with job.product("peaks") as path:
        write_peaks(path, found.windows, found.peaks)
    with job.product("table") as path:
        write_tsv(found.peaks, path)
    with job.product("summary") as path:
        write_tsv(found.summary, path)
