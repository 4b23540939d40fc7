"""predict: the model's targets and tracks for every window."""


include: "functions/predict.smk"


rule predict_chunk:
    """Predict the windows of one chunk."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        source=source_files,
        weights=weights,
    output:
        h5=f"{CHUNKS}/predict/{{chunk}}.h5",
        dropped=f"{CHUNKS}/predict/{{chunk}}.dropped.tsv",
    log:
        f"{RESULTS}/logs/predict_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(4000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("predict"),
        regions=chunk_key("predict"),
    script:
        "../../scripts/predict_chunk.py"


rule predict:
    """Merge the predictions of all chunks; write one bigWig a target."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        chunks=chunk_paths("predict", "h5"),
    output:
        h5=f"{RESULTS}/{{model}}/predictions.h5",
    log:
        f"{RESULTS}/logs/predict/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("predict"),
    script:
        "../../scripts/predict.py"


rule predict_table:
    """Write the predictions as regions × targets: Parquet, TSV or .h5ad."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        h5=f"{RESULTS}/{{model}}/predictions.h5",
    output:
        table=f"{RESULTS}/{{model}}/predictions.{{format}}",
    log:
        f"{RESULTS}/logs/predict_table/{{model}}.{{format}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_table/{{model}}.{{format}}.tsv"
    wildcard_constraints:
        format="parquet|tsv|h5ad",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("predict"),
        targets=targets_key,
    script:
        "../../scripts/predict_table.py"


for rule_name, model, number, files in target_jobs("predict", ".pred.bw", "predict_track"):

    rule:
        """Write predictions of some targets and tracks as bigWig."""
        name:
            rule_name
        input:
            h5=f"{RESULTS}/{model}/predictions.h5",
        output:
            bw=of_targets(
                model,
                files,
                "",
                ".pred.bw",
                "prediction, a track",
                "Predictions",
                "../report/track.rst",
            ),
        log:
            f"{RESULTS}/logs/predict_track/{model}/{number}.log",
        benchmark:
            f"{RESULTS}/benchmarks/predict_track/{model}/{number}.tsv"
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
            "../../scripts/predict_track.py"


rule predict_metrics:
    """Compare predictions with observed signal."""
    input:
        h5=f"{RESULTS}/{{model}}/predictions.h5",
        signal=signal_files,
    output:
        table=report(
            f"{RESULTS}/{{model}}/metrics.tsv",
            caption="../report/metrics.rst",
            category="Predictions",
            labels={
                "what": "predictions against observed signal",
                "model": "{model}",
                "target": "all",
            },
        ),
    log:
        f"{RESULTS}/logs/predict_metrics/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_metrics/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(4000),
        runtime=240,
    params:
        root=root_folder,
        settings=signal_key,
    script:
        "../../scripts/predict_metrics.py"
