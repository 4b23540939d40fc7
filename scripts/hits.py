"""Merge the hits of all chunks; give q-values; rank the motifs of each target."""

from cisweep.analysis.motifs.chunk import scan_options
from cisweep.analysis.motifs.families import motif_families
from cisweep.analysis.motifs.gather import HitGather, merge_sums
from cisweep.analysis.motifs.hits import HitSums
from cisweep.analysis.motifs.qvalues import cell_qvalues
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.genome.motifs import load_motifs
from cisweep.job import Job
from cisweep.outputs.hits import append_bed, schema
from cisweep.outputs.tables import ParquetWriter, read_parquet, write_tsv
from cisweep.parts import read_arrays

with Job(snakemake) as job:  # noqa: F821
    plan, step = job.plan, job.plan.step_config("hits")
    motifs = load_motifs(plan.config.motifs)
    model = prepare_motifs(motifs, **scan_options(step, job.inputs("base_counts")[0]))
    targets = plan.models[job.model].target_names if plan.is_on("attribute") else []
    counts = [read_arrays(path) for path in job.inputs("counts")]
    q_values = cell_qvalues(
        model, sum(c["cell_counts"] for c in counts), sum(c["n_tests"] for c in counts)
    )
    gather = HitGather(motifs, q_values, targets)
    n = 0
    with (
        job.product("table") as table_path,
        job.product("bed") as bed_path,
        ParquetWriter(table_path, schema(targets), job.provenance()) as writer,
        open(bed_path, "w") as bed,
    ):
        for table in gather.rows(read_parquet(path).to_pandas() for path in job.inputs("chunks")):
            writer.append(table[schema(targets).names])
            append_bed(table, bed)
            n += len(table)
    job.say(f"{n} hits of {len(motifs)} motifs")
    null = {
        t: merge_sums(HitSums(c[f"null_count_{t}"], c[f"null_total_{t}"]) for c in counts)
        for t in targets
    }
    with job.product("ranking") as path:
        write_tsv(gather.ranking(null, motif_families(motifs)), path)
