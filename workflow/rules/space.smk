"""space: what pairs of motifs do over distances and orientations."""


rule space_chunk:
    """Put a block of pairs of motifs into the backgrounds; an unchanged block is kept as it is."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        backgrounds=f"{CHUNKS}/space/backgrounds.npz",
        source=source_files,
        weights=weights,
        motifs=motif_file,
    output:
        table=update(f"{CHUNKS}/space/{{chunk}}.parquet"),
    log:
        f"{RESULTS}/logs/space_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/space_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("space"),
        motifs=chunk_key("space"),
    script:
        "../../scripts/space_chunk.py"


rule space:
    """Join what pairs of motifs do over distances and orientations."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        chunks=chunk_paths("space", "parquet"),
    output:
        table=f"{RESULTS}/{{model}}/space.parquet",
        figure=report(
            f"{RESULTS}/{{model}}/figures/space.svg",
            caption="../report/space.rst",
            category="Experiments",
            labels={"what": "two motifs over their distance", "model": "{model}", "target": "all"},
        ),
        copies=figure_copies(f"{RESULTS}/{{model}}/figures/space.svg"),
    log:
        f"{RESULTS}/logs/space/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/space/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=30,
    params:
        root=root_folder,
        settings=settings("space"),
    script:
        "../../scripts/space.py"
