"""marginalize, ablate, space: what motifs do, put into windows and taken out of them."""


rule experiment_backgrounds:
    """Draw the windows into which motifs are put; predict them as they are."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=source_files,
        weights=weights,
        peaks=peaks,
    output:
        backgrounds=f"{CHUNKS}/{{experiment}}/backgrounds.npz",
    log:
        f"{RESULTS}/logs/experiment_backgrounds/{{model}}/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/experiment_backgrounds/{{model}}/{{experiment}}.tsv"
    wildcard_constraints:
        experiment="marginalize|space",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=60,
    params:
        root=root_folder,
        settings=lambda wildcards: PLAN.settings(wildcards.experiment, wildcards.model),
        regions=PLAN.regions_hash,
    script:
        "../../scripts/experiment_backgrounds.py"


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
        ),
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
        regions=PLAN.regions_hash,
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
        ),
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
        ),
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
