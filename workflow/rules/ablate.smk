"""ablate: what is lost with each hit, shuffled out of its window."""


rule ablate_select:
    """Choose the strongest hits of each motif that lie in the regions."""
    input:
        source=source_files,
        peaks=peaks,
        motifs=motif_file,
        hits=f"{RESULTS}/{{model}}/hits.parquet",
    output:
        selected=f"{CHUNKS}/ablate/selected.parquet",
    log:
        f"{RESULTS}/logs/ablate_select/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablate_select/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("ablate"),
        regions=regions_key,
    script:
        "../../scripts/ablate_select.py"


rule ablate_chunk:
    """Shuffle the hits of one chunk out of their windows; an unchanged chunk is kept as it is."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        selected=f"{CHUNKS}/ablate/selected.parquet",
        source=source_files,
        weights=weights,
    output:
        table=update(f"{CHUNKS}/ablate/{{chunk}}.parquet"),
    log:
        f"{RESULTS}/logs/ablate_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablate_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("ablate"),
    script:
        "../../scripts/ablate_chunk.py"


rule ablate:
    """Join what is lost with each hit; rank the motifs."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        chunks=chunk_paths("ablate", "parquet"),
    output:
        table=f"{RESULTS}/{{model}}/ablate.parquet",
        hits=f"{RESULTS}/{{model}}/ablate.hits.parquet",
        figure=report(
            f"{RESULTS}/{{model}}/figures/ablate.svg",
            caption="../report/ablate.rst",
            category="Experiments",
            labels={
                "what": "loss without the hits of each motif",
                "model": "{model}",
                "target": "all",
            },
        ),
        copies=figure_copies(f"{RESULTS}/{{model}}/figures/ablate.svg"),
    log:
        f"{RESULTS}/logs/ablate/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablate/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=30,
    params:
        root=root_folder,
        settings=settings("ablate"),
    script:
        "../../scripts/ablate.py"
