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


rule ism_track:
    """Write one target's values of the observed bases as bigWig."""
    input:
        h5=f"{RESULTS}/{{model}}/ism.h5",
    output:
        bw=report(
            f"{RESULTS}/{{model}}/tracks/{{target}}.ism.bw",
            caption="../report/track.rst",
            category="Saturation mutagenesis",
            labels=target_labels("mean effect of substitutions, a track"),
        ),
    log:
        f"{RESULTS}/logs/ism_track/{{model}}/{{target}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ism_track/{{model}}/{{target}}.tsv"
    localrule: IS_SMALL
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
    script:
        "../../scripts/ism_track.py"


rule ism_figure:
    """Draw the regions with the highest predictions of one target: heat map and logo."""
    input:
        h5=f"{RESULTS}/{{model}}/ism.h5",
    output:
        figure=report(
            f"{RESULTS}/{{model}}/figures/ism.{{target}}.svg",
            caption="../report/ism.rst",
            category="Saturation mutagenesis",
            labels=target_labels("effects of substitutions"),
        ),
        copies=figure_copies(f"{RESULTS}/{{model}}/figures/ism.{{target}}.svg"),
    log:
        f"{RESULTS}/logs/ism_figure/{{model}}/{{target}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ism_figure/{{model}}/{{target}}.tsv"
    localrule: IS_SMALL
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=30,
    params:
        root=root_folder,
        top_figures=ism_option("top_figures"),
    script:
        "../../scripts/ism_figure.py"
