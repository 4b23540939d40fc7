"""select: the predicted peaks, on which the later steps work."""


include: "functions/select.smk"


rule select_null_chunk:
    """Predict shuffled stretches of the genome: what peaks look like without signal."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=source_files,
        weights=weights,
    output:
        null=f"{CHUNKS}/select_null/{{chunk}}.npz",
    log:
        f"{RESULTS}/logs/select_null_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/select_null_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=60,
    params:
        root=root_folder,
        settings=null_settings,
        stretches=null_key,
    script:
        "../../scripts/select_null_chunk.py"


rule select_peaks:
    """Choose the local maxima of each target's predictions that stand above chance."""
    input:
        h5=f"{RESULTS}/{{model}}/predictions.h5",
        nulls=null_chunks,
    output:
        peaks=report(
            f"{RESULTS}/{{model}}/peaks.bed",
            caption="../report/peaks.rst",
            category="Predictions",
            labels={"what": "predicted peaks", "model": "{model}", "target": "all"},
        ),
        table=f"{RESULTS}/{{model}}/peaks.tsv",
        summary=f"{RESULTS}/{{model}}/peaks_summary.tsv",
    log:
        f"{RESULTS}/logs/select_peaks/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/select_peaks/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("select"),
    script:
        "../../scripts/select_peaks.py"
