"""Design the windows of one chunk."""

from cisweep.contracts import Windows
from cisweep.genome.motifs import read_meme
from cisweep.job import Job
from cisweep.outputs.designs import write_histories, write_table
from cisweep.plan.contents.design import (
    design_chunks,
    design_tokens,
    frozen_positions,
    prior_weights,
    usual_tokens,
)

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.sequence_design.chunk import DesignModels, Templates, design_chunk
    from cisweep.analysis.sequence_design.rows import design_rows

    plan, step = job.plan, job.plan.step_config("design")
    chunks = design_chunks(plan)
    windows = chunks[job.chunk]
    templates = Templates(
        windows,
        design_tokens(plan, windows),
        frozen_positions(plan, windows),
        prior_weights(plan, windows),
    )
    motifs = read_meme(plan.config.motifs) if plan.config.motifs else None
    # What is usual is asked of all regions, so that it does not depend on the chunk.
    usual = usual_tokens(plan, Windows.concatenate(list(chunks.values())))
    with job.device() as device:
        models = DesignModels.load(plan.models, step, device)
        found = design_chunk(models, templates, step, plan.config.seed, motifs)
    rows = design_rows(found, models, windows, usual, motifs, step.motif_threshold)
    job.say(f"{len(found)} designs, {sum(d.reached for d in found)} reach their goals")
    with job.product("table") as path:
        write_table(rows, path, job.provenance())
    with job.product("history") as path:
        names = [f"{windows.keys()[d.window]}|{d.goal_set}" for d in found]
        histories = {n: (d.history, d.attributions) for n, d in zip(names, found) if not d.fault}
        write_histories(histories, path, job.provenance())
