"""variants: what each variant of a VCF or table changes."""

from cisweep.genome.chunks import chunk_id


def variant_file():
    """Return the variant file of the config, or nothing if the step is off."""
    step = PLAN.step_config("variants")
    return [] if step is None else [str(step.path)]


def variant_chunks(suffix):
    """Return the input function that lists the variants' chunk files of the job's model.

    Which bins hold variants is known only once the file is read, so every bin of a wanted
    chromosome has a job; one without variants is over at once.
    """

    def paths(wildcards):
        bins = range(PLAN.layout.n_bins)
        wanted = [i for i in bins if any(PLAN.wanted(c) for c, _, _ in PLAN.layout.stretches(i))]
        folder = f"{RESULTS}/{wildcards.model}/chunks/variants"
        return [f"{folder}/{chunk_id(i)}.{suffix}" for i in wanted]

    return paths


def variant_predictions(wildcards):
    """Return the predictions among which the alleles are ranked, if they are made."""
    return [f"{RESULTS}/{wildcards.model}/predictions.h5"] if PLAN.is_on("predict") else []


rule variants_select:
    """Read the variants and check them against the genome."""
    input:
        variants=variant_file(),
        source=PLAN.source_files,
    output:
        selected=f"{RESULTS}/variants/selected.parquet",
        dropped=f"{RESULTS}/variants/unread.tsv",
    log:
        f"{RESULTS}/logs/variants_select.log",
    benchmark:
        f"{RESULTS}/benchmarks/variants_select.tsv"
    params:
        root=ROOT,
        settings=settings("variants"),
        chroms=PLAN.config.regions.chroms,
    resources:
        mem_mb=mem_mb(4000),
        runtime=60,
    conda:
        "../../envs/cisweep.yaml"
    script:
        "../../scripts/variants_select.py"


rule variants_chunk:
    """Predict both alleles of the variants of one chunk; an unchanged chunk is kept as it is."""
    input:
        prepared=ancient(f"{RESULTS}/{{model}}/prepare/prepared.json"),
        selected=f"{RESULTS}/variants/selected.parquet",
        source=PLAN.source_files,
        weights=weights,
    output:
        table=update(f"{CHUNKS}/variants/{{chunk}}.parquet"),
        nulls=update(f"{CHUNKS}/variants/{{chunk}}.npz"),
        dropped=update(f"{CHUNKS}/variants/{{chunk}}.dropped.tsv"),
    log:
        f"{RESULTS}/logs/variants_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/variants_chunk/{{model}}/{{chunk}}.tsv"
    params:
        root=ROOT,
        settings=settings("variants"),
        edge=PLAN.config.regions.edge,
        max_n=PLAN.config.regions.max_n,
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=120,
    conda:
        "../../envs/cisweep.yaml"
    script:
        "../../scripts/variants_chunk.py"


rule variants:
    """Merge the effects of all variants."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        chunks=variant_chunks("parquet"),
        nulls=variant_chunks("npz"),
        dropped=variant_chunks("dropped.tsv"),
        unread=f"{RESULTS}/variants/unread.tsv",
        predictions=variant_predictions,
        peaks=peaks,
    output:
        tsv=f"{RESULTS}/{{model}}/variants.tsv",
        table=f"{RESULTS}/{{model}}/variants.parquet",
        vcf=f"{RESULTS}/{{model}}/variants.vcf.gz",
        tbi=f"{RESULTS}/{{model}}/variants.vcf.gz.tbi",
        dropped=f"{RESULTS}/{{model}}/variants.dropped.tsv",
        volcano=report(
            f"{RESULTS}/{{model}}/figures/variants.volcano.svg",
            caption="../report/volcano.rst",
            category="Variants",
        ),
    log:
        f"{RESULTS}/logs/variants/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/variants/{{model}}.tsv"
    params:
        root=ROOT,
        settings=settings("variants"),
    resources:
        mem_mb=mem_mb(3000),
        runtime=120,
    conda:
        "../../envs/cisweep.yaml"
    script:
        "../../scripts/variants.py"
