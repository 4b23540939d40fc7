"""marginalize, space: the windows into which motifs are put."""


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
        regions=regions_key,
    script:
        "../../scripts/experiment_backgrounds.py"
