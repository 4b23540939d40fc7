"""Score the blocks of pairs of one chunk by a DNA language model."""

from itertools import chain, islice

from cisweep.genome.variants.alleles import WindowPlan, allele_windows
from cisweep.job import Job
from cisweep.outputs.embeddings import EmbeddingWriter
from cisweep.outputs.tables import append_rows, write_tsv
from cisweep.outputs.variants import owned_blocks
from cisweep.plan.chunks import chunk_index
from cisweep.plan.contents.zero_shot import (
    PAIRS_OF_BLOCK,
    pair_chunks,
    pairs_of_alleles,
    read_pairs,
)


def file_pairs(job, step):
    """Return the chunk's pairs of sequences of the FASTA files."""
    own = pair_chunks(job.plan)[job.chunk]
    every = chain.from_iterable(read_pairs(p.ref, p.alt, p.group, step.limit) for p in step.pairs)
    return [islice(every, own.start * PAIRS_OF_BLOCK, own.stop * PAIRS_OF_BLOCK)]


def variant_pairs(job, step):
    """Yield the pairs of alleles of each block of variants that the chunk owns."""
    plan, window_bp = job.plan, job.plan.models[job.model].window_bp
    windows = WindowPlan(window_bp, plan.step_config("variants").trim)
    stretches = plan.layout.stretches(chunk_index(job.chunk))
    selected = job.inputs("selected")[0]
    for variants in owned_blocks(selected, stretches, PAIRS_OF_BLOCK, step.limit):
        alleles = allele_windows(variants, plan.source, windows)
        job.say(f"{len(alleles.dropped)} of {len(variants)} variants have no window")
        yield pairs_of_alleles(alleles)


with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.language_model.embedding import EmbeddingOptions
    from cisweep.analysis.language_model.zero_shot import (
        ZeroShotOptions,
        empty_scores,
        rank_edits,
        score_pairs,
    )
    from cisweep.models import load_model

    plan, step = job.plan, job.plan.step_config("zero_shot")
    embedding = EmbeddingOptions(step.space, step.pooling, step.special_tokens, step.both_strands)
    options = ZeroShotOptions(tuple(step.scores), embedding, step.batch_size)
    blocks = file_pairs(job, step) if step.pairs else variant_pairs(job, step)
    model = None
    with (
        job.device() as device,
        job.product("embeddings") as path,
        job.product("table") as table_path,
        EmbeddingWriter(path, job.provenance()) as writer,
    ):
        write_tsv(empty_scores(options, step.rank_edits), table_path)
        for pairs in map(list, blocks):
            model = model or load_model(plan.models[job.model], device=device, finite=False)
            for k, (table, ref, alt) in enumerate(score_pairs(model, pairs, options)):
                if step.rank_edits:
                    own = pairs[k * PAIRS_OF_BLOCK : (k + 1) * PAIRS_OF_BLOCK]
                    table = table.assign(**rank_edits(model, own, embedding))
                writer.append(table, ref, alt)
                append_rows(table, table_path)
