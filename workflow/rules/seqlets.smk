"""seqlets: summaries a chunk, one background, calls a chunk, one table with motif names."""


include: "functions/seqlets.smk"


rule seqlets_null_size:
    """Count the windows; say how many shuffled copies the null of the seqlets needs."""
    input:
        peaks=peaks,
        chunks=uncounted_attributions,
    output:
        null_size=f"{RESULTS}/{{model}}/chunks/seqlets_null/size.json",
    log:
        f"{RESULTS}/logs/seqlets_null_size/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/seqlets_null_size/{{model}}.tsv"
    localrule: IS_SMALL
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=30,
    params:
        root=root_folder,
        settings=settings("seqlets"),
    script:
        "../../scripts/seqlets_null_size.py"


rule seqlets_null_chunk:
    """Explain shuffled sequences of some chunks: what attributions look like without signal."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        weights=weights,
        chunks=attributions_in("seqlets_null"),
        null_size=f"{RESULTS}/{{model}}/chunks/seqlets_null/size.json",
    output:
        h5=update(f"{CHUNKS}/seqlets_null/{{chunk}}.h5"),
    log:
        f"{RESULTS}/logs/seqlets_null_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/seqlets_null_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("attribute"),
    script:
        "../../scripts/seqlets_null_chunk.py"


rule seqlets_background:
    """Merge the distributions of the attributions of all chunks into one background a target."""
    input:
        chunks=chunk_paths("attribute", "h5"),
    output:
        background=f"{RESULTS}/{{model}}/chunks/seqlets/background.json",
    log:
        f"{RESULTS}/logs/seqlets_background/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/seqlets_background/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("seqlets"),
    script:
        "../../scripts/seqlets_background.py"


rule seqlets_chunk:
    """Call seqlets of some chunks, in their windows and in the shuffled copies of these."""
    input:
        background=f"{RESULTS}/{{model}}/chunks/seqlets/background.json",
        chunks=attributions_in("seqlets"),
        beside=beside_attributions,
        null=null_attributions,
    output:
        table=update(f"{CHUNKS}/seqlets/{{chunk}}.parquet"),
        tally=update(f"{CHUNKS}/seqlets/{{chunk}}.tally.json"),
    log:
        f"{RESULTS}/logs/seqlets_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/seqlets_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("seqlets"),
    script:
        "../../scripts/seqlets_chunk.py"


rule seqlets:
    """Cut the calls of all chunks at the FDR and name each by a match or its closest motif."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        motifs=scanned_motif_files,
        source=source_files,
        chunks=chunk_paths("seqlets", "parquet"),
        tallies=chunk_paths("seqlets", "tally.json"),
        hits=ranked_hits,
    output:
        table=f"{RESULTS}/{{model}}/seqlets.parquet",
        bed=report(
            f"{RESULTS}/{{model}}/seqlets.bed",
            caption="../report/seqlets.rst",
            category="Seqlets",
            labels={"what": "seqlets", "model": "{model}", "target": "all"},
        ),
        summary=f"{RESULTS}/{{model}}/seqlet_summary.tsv",
    log:
        f"{RESULTS}/logs/seqlets/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/seqlets/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(4000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("seqlets"),
    script:
        "../../scripts/seqlets.py"
