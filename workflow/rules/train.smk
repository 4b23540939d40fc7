"""train: from sequences or signal to weights, model.yaml and the evidence of how good they are."""

from cisweep.steps.train import FIGURES, TABLES, data_files


include: "functions/train.smk"


rule train_track:
    """Count the 5' ends of a BAM or of fragments, on one strand or both."""
    input:
        reads=counted_reads,
        genome=lambda wildcards: f"{RECIPES[wildcards.model].data.genome}.fai",
    output:
        track=f"{TRAIN}/{{model}}/tracks/{{file}}.{{strand}}.bw",
    log:
        f"{RESULTS}/logs/train_track/{{model}}/{{file}}.{{strand}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_track/{{model}}/{{file}}.{{strand}}.tsv"
    wildcard_constraints:
        file="[0-9]+",
        strand="plus|minus|both",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(6000),
        runtime=240,
    params:
        root=root_folder,
        settings=lambda wildcards: RECIPES[wildcards.model].data.reads.model_dump_json(),
    script:
        "../../scripts/train_track.py"


rule train_fold:
    """Train one fold and judge it on what it held out; a killed job goes on from its last epoch."""
    input:
        data=lambda wildcards: data_files(counted_recipe(wildcards.model)),
    output:
        weights=f"{TRAIN}/{{model}}/fold{{fold}}.safetensors",
        heldout=f"{TRAIN}/{{model}}/fold{{fold}}.heldout.tsv",
        record=f"{TRAIN}/{{model}}/fold{{fold}}.json",
    log:
        f"{RESULTS}/logs/train_fold/{{model}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_fold/{{model}}/{{fold}}.tsv"
    conda:
        ENVIRONMENT
    threads: PLAN.step_config("train").threads if PLAN.is_on("train") else 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(6000),
        runtime=1440,
    params:
        root=root_folder,
        settings=recipe_key,
        scratch=f"{TRAIN}/.scratch/{{model}}_{{fold}}",
    script:
        "../../scripts/train_fold.py"


rule train:
    """Write model.yaml, tables, model card and figures of a trained model."""
    input:
        weights=folds("fold{fold}.safetensors"),
        heldout=folds("fold{fold}.heldout.tsv"),
        records=folds("fold{fold}.json"),
    output:
        tables=[f"{TRAIN}/{{model}}/{product}" for product in TABLES],
        figures=report(
            [f"{TRAIN}/{{model}}/{product}" for product in FIGURES],
            caption="../report/train.rst",
            category="Training",
        ),
        copies=figure_copies(
            *[f"{TRAIN}/{{model}}/{product}" for product in FIGURES if product.endswith(".svg")]
        ),
    log:
        f"{RESULTS}/logs/train/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=recipe_key,
        command=lambda wildcards: repeat_command(),
    script:
        "../../scripts/train.py"


rule train_compare:
    """Overlay the loss curves of all trained models and join their spot checks."""
    input:
        records=[f"{TRAIN}/{model}/fold0.json" for model in RECIPES],
    output:
        loss=f"{TRAIN}/loss.svg",
        copies=figure_copies(f"{TRAIN}/loss.svg"),
        spot_check=f"{TRAIN}/spot_check.tsv",
    log:
        f"{RESULTS}/logs/train_compare.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_compare.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=30,
    params:
        root=root_folder,
        models=list(RECIPES),
    script:
        "../../scripts/train_compare.py"
