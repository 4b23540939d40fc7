"""prepare: check the model before any chunk; account for every dropped region.

Every job that reads a model takes `prepared` as a plain input. Marked `ancient`, it would hide new
weights: Snakemake (9.27) looks no further at a job behind one that reruns, and does not carry
the rerun over an ancient file. So prepare reads nothing but what determines a model's output.
"""


rule prepare:
    """Load the model, run one window, note its identity: what is wrong with it shows before the sweep."""
    input:
        weights=weights,
    output:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
    log:
        f"{RESULTS}/logs/prepare/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=30,
    params:
        root=root_folder,
        settings=lambda wildcards: PLAN.model_key(wildcards.model),
    script:
        "../../scripts/prepare.py"


rule write_targets:
    """Write the names of a model's targets and tracks, and those of their files."""
    output:
        table=f"{RESULTS}/{{model}}/targets.tsv",
    log:
        f"{RESULTS}/logs/write_targets/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_targets/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=10,
    params:
        root=root_folder,
        settings=targets_key,
    script:
        "../../scripts/write_targets.py"


rule dropped_regions:
    """Join the rows of all dropped regions, with step, model and reason."""
    input:
        regions=lambda wildcards: region_tables(PLAN),
        others=lambda wildcards: item_tables(PLAN),
    output:
        table=report(
            f"{RESULTS}/dropped_regions.tsv",
            caption="../report/dropped.rst",
            category="Regions",
            labels={"what": "regions without a window"},
        ),
    log:
        f"{RESULTS}/logs/dropped_regions.log",
    benchmark:
        f"{RESULTS}/benchmarks/dropped_regions.tsv"
    localrule: IS_SMALL
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=30,
    params:
        root=root_folder,
        settings=config_key,
        regions=regions_key,
    script:
        "../../scripts/dropped_regions.py"


rule provenance:
    """Write what the products of this run were made from."""
    input:
        prepared=[f"{RESULTS}/{model}/prepare/prepared.json" for model in PLAN.models],
        source=source_files,
    output:
        json=f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/provenance.log",
    benchmark:
        f"{RESULTS}/benchmarks/provenance.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=10,
    params:
        root=root_folder,
        settings=config_key,
        regions=regions_key,
        config=PLAN.written_hash,
    script:
        "../../scripts/provenance.py"
