"""zero_shot: pairs of sequences by a DNA language model."""


include: "functions/zero_shot.smk"


rule zero_shot_chunk:
    """Score blocks of pairs of sequences by a DNA language model."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=source_files,
        weights=weights,
        pairs=zero_shot_files,
        selected=zero_shot_variants(),
    output:
        table=f"{CHUNKS}/zero_shot/{{chunk}}.tsv",
        embeddings=f"{CHUNKS}/zero_shot/{{chunk}}.parquet",
    log:
        f"{RESULTS}/logs/zero_shot_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/zero_shot_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(6000),
        runtime=240,
    params:
        root=root_folder,
        settings=settings("zero_shot"),
        trim=variant_trim(),
        blocks=chunk_key("zero_shot"),
    script:
        "../../scripts/zero_shot_chunk.py"


rule zero_shot:
    """Join the scores of all pairs; test and draw the groups."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        tables=chunk_paths("zero_shot", "tsv"),
        embeddings=chunk_paths("zero_shot", "parquet"),
    output:
        table=f"{RESULTS}/{{model}}/zero_shot.tsv",
        embeddings=f"{RESULTS}/{{model}}/zero_shot.embeddings.parquet",
        tests=report(
            f"{RESULTS}/{{model}}/zero_shot.tests.tsv",
            caption="../report/zero_shot.rst",
            category="Zero-shot",
            labels={"what": "tests of the groups", "model": "{model}", "target": "all"},
        ),
        boxes=report(
            f"{RESULTS}/{{model}}/figures/zero_shot.groups.svg",
            caption="../report/zero_shot.rst",
            category="Zero-shot",
            labels={"what": "scores by group", "model": "{model}", "target": "all"},
        ),
        pca=report(
            f"{RESULTS}/{{model}}/figures/zero_shot.pca.svg",
            caption="../report/zero_shot.rst",
            category="Zero-shot",
            labels={"what": "embeddings", "model": "{model}", "target": "all"},
        ),
        copies=figure_copies(
            f"{RESULTS}/{{model}}/figures/zero_shot.groups.svg",
            f"{RESULTS}/{{model}}/figures/zero_shot.pca.svg",
        ),
    log:
        f"{RESULTS}/logs/zero_shot/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/zero_shot/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(4000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("zero_shot"),
    script:
        "../../scripts/zero_shot.py"
