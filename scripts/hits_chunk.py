"""Scan the intervals whose hits start in one chunk."""

from cisweep.analysis.motifs.chunk import (
    Attributed,
    Scan,
    hits_of_chunk,
    owned_intervals,
    scan_options,
)
from cisweep.analysis.motifs.families import shuffled_columns
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.contracts import Windows
from cisweep.genome.motifs import load_motifs
from cisweep.job import Job
from cisweep.outputs.attributions import read_attributions
from cisweep.outputs.hits import chunk_schema, save_counts
from cisweep.outputs.tables import write_dropped, write_parquet
from cisweep.plan.chunk_windows import read_peaks, usable_windows
from cisweep.plan.chunks import chunk_index

with Job(snakemake) as job, job.reuse() as unchanged:  # noqa: F821
    if not unchanged:
        plan, step = job.plan, job.plan.step_config("hits")
        own = usable_windows(plan, job.model, job.chunk)
        paths = job.inputs("attributions")
        attributed = Attributed(*read_attributions(paths)) if paths else None
        if step.over == "regions" and attributed:
            windows = attributed.windows
        elif step.over == "regions" and job.inputs("peaks"):
            windows = read_peaks(job.inputs("peaks")[0])
        else:
            near = plan.neighbours(job.model, job.chunk)
            windows = Windows.concatenate(
                [usable_windows(plan, job.model, c).windows for c in near]
            )
        motifs = load_motifs(plan.config.motifs)
        options = scan_options(step, job.inputs("counts")[0])
        copies = [
            c for m in motifs for c in shuffled_columns(m, step.null_copies, plan.config.seed)
        ]
        scan = Scan(
            motifs,
            prepare_motifs(motifs, **options),
            prepare_motifs(copies, **options) if attributed else None,
        )
        stretches = plan.layout.stretches(chunk_index(job.chunk))
        found = hits_of_chunk(
            scan,
            plan.source,
            owned_intervals(windows, stretches, plan.source.lengths),
            attributed,
            n_threads=job.threads,
        )
        job.say(f"{len(found.table)} hits")
        targets = list(attributed.projected) if attributed else []
        with job.product("table") as path:
            write_parquet(found.table, path, chunk_schema(targets), job.provenance())
        with job.product("counts") as path:
            save_counts(path, found.cell_counts, found.n_tests, found.null)
        with job.product("dropped") as path:
            write_dropped(own.dropped, "hits", job.model, path)
