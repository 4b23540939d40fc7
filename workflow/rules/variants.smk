"""variants: what each variant of a VCF or table changes."""


include: "functions/variants.smk"


rule variants_select:
    """Read the variants and check them against the genome."""
    input:
        variants=variant_file,
        source=source_files,
    output:
        selected=f"{RESULTS}/variants/selected.parquet",
        dropped=f"{RESULTS}/variants/unread.tsv",
    log:
        f"{RESULTS}/logs/variants_select.log",
    benchmark:
        f"{RESULTS}/benchmarks/variants_select.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(4000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("variants"),
        chroms=lambda wildcards: PLAN.config.regions.chroms,
    script:
        "../../scripts/variants_select.py"


rule variants_chunk:
    """Predict both alleles of the variants of one chunk; an unchanged chunk is kept as it is."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        selected=f"{RESULTS}/variants/selected.parquet",
        source=source_files,
        weights=weights,
    output:
        table=update(f"{CHUNKS}/variants/{{chunk}}.parquet"),
        nulls=update(f"{CHUNKS}/variants/{{chunk}}.npz"),
        dropped=update(f"{CHUNKS}/variants/{{chunk}}.dropped.tsv"),
    log:
        f"{RESULTS}/logs/variants_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/variants_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("variants"),
        edge=PLAN.config.regions.edge,
        max_n=PLAN.config.regions.max_n,
    script:
        "../../scripts/variants_chunk.py"


rule variants:
    """Merge the effects of all variants."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        chunks=chunk_paths("variants", "parquet"),
        nulls=chunk_paths("variants", "npz"),
        dropped=chunk_paths("variants", "dropped.tsv"),
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
            labels={"what": "effect against significance", "model": "{model}", "target": "all"},
        ),
        copies=figure_copies(f"{RESULTS}/{{model}}/figures/variants.volcano.svg"),
    log:
        f"{RESULTS}/logs/variants/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/variants/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(3000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("variants"),
    script:
        "../../scripts/variants.py"


rule variants_wide:
    """Write the effects of all variants with columns of each target."""
    input:
        table=f"{RESULTS}/{{model}}/variants.parquet",
    output:
        wide=f"{RESULTS}/{{model}}/variants.wide.tsv",
    log:
        f"{RESULTS}/logs/variants_wide/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/variants_wide/{{model}}.tsv"
    localrule: IS_SMALL
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("variants"),
    script:
        "../../scripts/variants_wide.py"


for rule_name, model, number, files in target_jobs("variants", ".logos.svg", "variants_logos"):

    rule:
        """Explain both alleles of the strongest variants; list the hits that they gain and lose."""
        name:
            rule_name
        input:
            prepared=f"{RESULTS}/{model}/prepare/prepared.json",
            table=f"{RESULTS}/{model}/variants.parquet",
            selected=f"{RESULTS}/variants/selected.parquet",
            source=source_files,
            weights=weights_of(model),
            motifs=motif_file,
            counts=base_counts,
        output:
            logos=of_targets(
                model,
                files,
                "variants.",
                ".logos.svg",
                "both alleles of the strongest variants",
                "Variants",
                "../report/allele_logos.rst",
            ),
            copies=figure_copies(*(f"{RESULTS}/{model}/{path}" for path in files)),
            hits=changed_hits(model, files),
        log:
            f"{RESULTS}/logs/variants_logos/{model}/{number}.log",
        benchmark:
            f"{RESULTS}/benchmarks/variants_logos/{model}/{number}.tsv"
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            gpu=device_resources(),
            mem_mb=mem_mb(4000),
            runtime=60 + 2 * len(files),
        params:
            root=root_folder,
            model=model,
            settings=settings_of("variants", model),
            scan=settings("hits"),
            top_n=top_variants(),
        script:
            "../../scripts/variants_logos.py"
