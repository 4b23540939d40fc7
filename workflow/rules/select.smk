"""select: the predicted peaks, on which the later steps work."""


rule select_peaks:
    """Find the local maxima of each target's predictions."""
    input:
        h5=f"{RESULTS}/{{model}}/predictions.h5",
    output:
        peaks=report(
            f"{RESULTS}/{{model}}/peaks.bed",
            caption="../report/peaks.rst",
            category="Predictions",
        ),
    log:
        f"{RESULTS}/logs/select_peaks/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/select_peaks/{{model}}.tsv"
    conda:
        "../../envs/cisweep.yaml"
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("select"),
    script:
        "../../scripts/select_peaks.py"
