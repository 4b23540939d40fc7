"""marginalize: what motifs do, put into windows."""


rule marginalize_chunk:
    """Put a block of motifs into the backgrounds; an unchanged block is kept as it is."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        backgrounds=f"{CHUNKS}/marginalize/backgrounds.npz",
        source=source_files,
        weights=weights,
        motifs=motif_file,
    output:
        table=update(f"{CHUNKS}/marginalize/{{chunk}}.parquet"),
    log:
        f"{RESULTS}/logs/marginalize_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/marginalize_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("marginalize"),
        motifs=chunk_key("marginalize"),
    script:
        "../../scripts/marginalize_chunk.py"


rule marginalize:
    """Join and rank what each motif does to each target."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        chunks=chunk_paths("marginalize", "parquet"),
    output:
        table=f"{RESULTS}/{{model}}/marginalize.parquet",
        figure=report(
            f"{RESULTS}/{{model}}/figures/marginalize.svg",
            caption="../report/marginalize.rst",
            category="Experiments",
            labels={
                "what": "effects of motifs in background windows",
                "model": "{model}",
                "target": "all",
            },
        ),
        copies=figure_copies(f"{RESULTS}/{{model}}/figures/marginalize.svg"),
    log:
        f"{RESULTS}/logs/marginalize/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/marginalize/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=30,
    params:
        root=root_folder,
        settings=settings("marginalize"),
    script:
        "../../scripts/marginalize.py"
