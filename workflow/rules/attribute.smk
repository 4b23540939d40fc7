"""attribute: which bases drive each target."""


include: "functions/attribute.smk"


rule attribute_chunk:
    """Explain the selected windows of one chunk; an unchanged chunk is kept as it is."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=source_files,
        weights=weights,
        peaks=peaks,
    output:
        h5=update(f"{CHUNKS}/attribute/{{chunk}}.h5"),
        dropped=update(f"{CHUNKS}/attribute/{{chunk}}.dropped.tsv"),
    log:
        f"{RESULTS}/logs/attribute_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attribute_chunk/{{model}}/{{chunk}}.tsv"
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
        regions=chunk_key("attribute"),
    script:
        "../../scripts/attribute_chunk.py"


rule attribute:
    """Merge the attributions of all chunks; check that they add up to the predictions."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        chunks=chunk_paths("attribute", "h5"),
    output:
        h5=f"{RESULTS}/{{model}}/attributions.h5",
        summary=report(
            f"{RESULTS}/{{model}}/attribution_summary.tsv",
            caption="../report/attribution_summary.rst",
            category="Attributions",
            labels={"what": "do attributions add up", "model": "{model}", "target": "all"},
        ),
    log:
        f"{RESULTS}/logs/attribute/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attribute/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("attribute"),
        limits=attribution_limits(),
    script:
        "../../scripts/attribute.py"


for rule_name, model, number, files in target_jobs("attribute", ".attr.bw", "attribute_track"):

    rule:
        """Write attributions of some targets as bigWig, one value per base."""
        name:
            rule_name
        input:
            h5=f"{RESULTS}/{model}/attributions.h5",
        output:
            bw=of_targets(
                model,
                files,
                "",
                ".attr.bw",
                "attribution, a track",
                "Attributions",
                "../report/track.rst",
            ),
        log:
            f"{RESULTS}/logs/attribute_track/{model}/{number}.log",
        benchmark:
            f"{RESULTS}/benchmarks/attribute_track/{model}/{number}.tsv"
        localrule: IS_SMALL
        conda:
            ENVIRONMENT
        resources:
            mem_mb=mem_mb(2000),
            runtime=120,
        params:
            root=root_folder,
            model=model,
        script:
            "../../scripts/attribute_track.py"


for rule_name, model, number, files in target_jobs("attribute", ".shap.h5", "attribute_export"):

    rule:
        """Write ChromBPNet's H5 layout and narrowPeak, which tf-modiscolite and finemo read."""
        name:
            rule_name
        input:
            h5=f"{RESULTS}/{model}/attributions.h5",
        output:
            h5=[f"{RESULTS}/{model}/{path}" for path in files],
            narrowpeak=[
                f"{RESULTS}/{model}/{path.removesuffix('.shap.h5')}.narrowPeak" for path in files
            ],
        log:
            f"{RESULTS}/logs/attribute_export/{model}/{number}.log",
        benchmark:
            f"{RESULTS}/benchmarks/attribute_export/{model}/{number}.tsv"
        localrule: IS_SMALL
        conda:
            ENVIRONMENT
        resources:
            mem_mb=mem_mb(2000),
            runtime=120,
        params:
            root=root_folder,
            model=model,
            save_bp=save_bp(),
        script:
            "../../scripts/attribute_export.py"
