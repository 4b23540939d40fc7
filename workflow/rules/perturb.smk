"""marginalize, ablate, space: what motifs do, put into windows and taken out of them."""


rule marginalize:
    """Put every motif into background windows."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=PLAN.source_files,
        weights=weights,
        motifs=[str(PLAN.config.motifs)] if PLAN.config.motifs else [],
        peaks=peaks,
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
        "../../envs/cisweep.yaml"
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=240,
    params:
        root=root_folder,
        settings=settings("marginalize"),
        regions=PLAN.regions_hash,
    script:
        "../../scripts/marginalize.py"


rule ablate:
    """Shuffle the hits of each motif out of their windows."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=PLAN.source_files,
        weights=weights,
        motifs=[str(PLAN.config.motifs)] if PLAN.config.motifs else [],
        peaks=peaks,
        hits=f"{RESULTS}/{{model}}/hits.parquet",
    output:
        table=f"{RESULTS}/{{model}}/ablate.parquet",
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
        "../../envs/cisweep.yaml"
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=240,
    params:
        root=root_folder,
        settings=settings("ablate"),
        regions=PLAN.regions_hash,
    script:
        "../../scripts/ablate.py"


rule space:
    """Put pairs of motifs into background windows over a range of distances."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=PLAN.source_files,
        weights=weights,
        motifs=[str(PLAN.config.motifs)] if PLAN.config.motifs else [],
        peaks=peaks,
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
        "../../envs/cisweep.yaml"
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=240,
    params:
        root=root_folder,
        settings=settings("space"),
        regions=PLAN.regions_hash,
    script:
        "../../scripts/space.py"
