"""Choose the hits that are ablated: the strongest of each motif that lie in a region."""

from functools import partial

from cisweep.analysis.perturbation.experiments import hits_in_windows
from cisweep.job import Job
from cisweep.outputs.experiments import strongest_hits, write_experiment
from cisweep.plan.contents.backgrounds import region_windows
from cisweep.plan.contents.motifs import choose_motifs

with Job(snakemake) as job:  # noqa: F821
    plan, step = job.plan, job.plan.step_config("ablate")
    motifs = {m.name for m in choose_motifs(plan.known_motifs, step.motifs)}
    peaks = job.inputs("peaks")
    regions = region_windows(plan, job.model, peaks[0] if peaks else None)
    place = partial(hits_in_windows, windows=regions)
    hits = strongest_hits(job.inputs("hits")[0], motifs, step.max_hits, place, plan.source.lengths)
    job.say(f"{len(hits)} hits of {hits['motif'].nunique()} motifs")
    with job.product("selected") as path:
        write_experiment(hits, path, {})
