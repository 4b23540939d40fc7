"""ism: what every single substitution in chosen regions does."""


include: "functions/ism.smk"


rule ism_regions:
    """Choose the strongest selected peaks of each target."""
    input:
        peaks=f"{RESULTS}/{{model}}/peaks.bed",
        predictions=f"{RESULTS}/{{model}}/predictions.h5",
    output:
        bed=f"{RESULTS}/{{model}}/ism/regions.bed",
    log:
        f"{RESULTS}/logs/ism_regions/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ism_regions/{{model}}.tsv"
    localrule: IS_SMALL
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        top_n=ism_option("top_n"),
    script:
        "../../scripts/ism_regions.py"


rule ism_chunk:
    """Predict every substitution of the chosen windows of one chunk; an unchanged chunk is kept."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=source_files,
        weights=weights,
        peaks=ism_peaks,
    output:
        h5=update(f"{CHUNKS}/ism/{{chunk}}.h5"),
        dropped=update(f"{CHUNKS}/ism/{{chunk}}.dropped.tsv"),
    log:
        f"{RESULTS}/logs/ism_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ism_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=240,
    params:
        root=root_folder,
        settings=settings("ism"),
        regions=chunk_key("ism"),
    script:
        "../../scripts/ism_chunk.py"


rule ism:
    """Merge the mutants of all chunks."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        chunks=chunk_paths("ism", "h5"),
    output:
        h5=f"{RESULTS}/{{model}}/ism.h5",
    log:
        f"{RESULTS}/logs/ism/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ism/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("ism"),
    script:
        "../../scripts/ism.py"


for rule_name, model, number, files in target_jobs("ism", ".ism.bw", "ism_track"):

    rule:
        """Write values of the observed bases of some targets as bigWig."""
        name:
            rule_name
        input:
            h5=f"{RESULTS}/{model}/ism.h5",
        output:
            bw=of_targets(
                model,
                files,
                "",
                ".ism.bw",
                "mean effect of substitutions, a track",
                "Saturation mutagenesis",
                "../report/track.rst",
            ),
        log:
            f"{RESULTS}/logs/ism_track/{model}/{number}.log",
        benchmark:
            f"{RESULTS}/benchmarks/ism_track/{model}/{number}.tsv"
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
            "../../scripts/ism_track.py"


for rule_name, model, number, files in target_jobs("ism", ".svg", "ism_figure"):

    rule:
        """Draw the regions with the highest predictions of some targets: heat map and logo."""
        name:
            rule_name
        input:
            h5=f"{RESULTS}/{model}/ism.h5",
        output:
            figure=of_targets(
                model,
                files,
                "ism.",
                ".svg",
                "effects of substitutions",
                "Saturation mutagenesis",
                "../report/ism.rst",
            ),
            copies=figure_copies(*(f"{RESULTS}/{model}/{path}" for path in files)),
        log:
            f"{RESULTS}/logs/ism_figure/{model}/{number}.log",
        benchmark:
            f"{RESULTS}/benchmarks/ism_figure/{model}/{number}.tsv"
        localrule: IS_SMALL
        conda:
            ENVIRONMENT
        resources:
            mem_mb=mem_mb(1000),
            runtime=120,
        params:
            root=root_folder,
            model=model,
            top_figures=ism_option("top_figures"),
        script:
            "../../scripts/ism_figure.py"
