"""gc: how many bases of each window are G or C."""


rule gc_chunk:
    """Count G and C in the windows of one chunk."""
    input:
        source=source_files,
    output:
        table=f"{CHUNKS}/gc/{{chunk}}.tsv",
        dropped=f"{CHUNKS}/gc/{{chunk}}.dropped.tsv",
    log:
        f"{RESULTS}/logs/gc_chunk/{{model}}/{{chunk}}.log",
    conda:
        ENVIRONMENT
    params:
        root=root_folder,
        settings=settings("gc"),
        regions=chunk_key("gc"),
    script:
        "../../scripts/gc_chunk.py"


rule gc:
    """Join the counts of all chunks."""
    input:
        chunks=chunk_paths("gc", "tsv"),
    output:
        table=f"{RESULTS}/{{model}}/gc.tsv",
        bedgraph=f"{RESULTS}/{{model}}/tracks/gc.bedgraph",
    log:
        f"{RESULTS}/logs/gc/{{model}}.log",
    conda:
        ENVIRONMENT
    params:
        root=root_folder,
        settings=settings("gc"),
    script:
        "../../scripts/gc.py"
