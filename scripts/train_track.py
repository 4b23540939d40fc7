"""Count the 5' ends of a BAM or of fragments, on one strand or both, into a bigWig."""

from cisweep.genome.fasta import Genome
from cisweep.genome.reads import EndCounting, count_ends, read_chromosomes
from cisweep.job import Job
from cisweep.outputs.bigwig import write_counts

ROWS = {"plus": slice(0, 1), "minus": slice(1, 2), "both": slice(0, 2)}

with Job(snakemake) as job:  # noqa: F821
    data = job.plan.step_config("train").models[job.model].data
    reads, *_ = job.inputs("reads")
    counting = EndCounting(**data.reads.model_dump(exclude={"stranded"}))
    lengths = read_chromosomes(reads, Genome(data.genome).lengths)
    rows = ROWS[job.wildcards.strand]
    blocks = (
        (chrom, start, counts[rows].sum(axis=0))
        for chrom, start, counts in count_ends(reads, lengths, counting)
    )
    with job.product("track") as path:
        write_counts(path, lengths, blocks)
