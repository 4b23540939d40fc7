"""train: from sequences or signal to weights, model.yaml and the evidence of how good they are."""

from cisweep.steps.train import FIGURES, TABLES, data_files, n_folds

TRAIN = f"{RESULTS}/train"
RECIPES = PLAN.step_config("train").models if PLAN.is_on("train") else {}


wildcard_constraints:
    fold="[0-9]+",


def recipe_key(wildcards):
    """Return the hash of a model's recipe, without the names of its files."""
    return RECIPES[wildcards.model].key()


def folds(pattern):
    """Return the paths of a pattern with {fold}, for all folds of the job's model."""
    return lambda wildcards: [
        f"{TRAIN}/{wildcards.model}/" + pattern.format(fold=fold)
        for fold in range(n_folds(RECIPES[wildcards.model]))
    ]


rule train_fold:
    """Train one fold and judge it on what it held out; a killed job goes on from its last epoch."""
    input:
        data=lambda wildcards: data_files(RECIPES[wildcards.model]),
    output:
        weights=f"{TRAIN}/{{model}}/fold{{fold}}.safetensors",
        heldout=f"{TRAIN}/{{model}}/fold{{fold}}.heldout.tsv",
        record=f"{TRAIN}/{{model}}/fold{{fold}}.json",
    log:
        f"{RESULTS}/logs/train_fold/{{model}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_fold/{{model}}/{{fold}}.tsv"
    params:
        root=ROOT,
        settings=recipe_key,
        scratch=f"{TRAIN}/.scratch/{{model}}_{{fold}}",
    threads: PLAN.step_config("train").threads if PLAN.is_on("train") else 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(6000),
        runtime=1440,
    conda:
        "../../envs/cisweep.yaml"
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
    log:
        f"{RESULTS}/logs/train/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{model}}.tsv"
    params:
        root=ROOT,
        settings=recipe_key,
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    conda:
        "../../envs/cisweep.yaml"
    script:
        "../../scripts/train.py"


rule train_compare:
    """Overlay the loss curves of all trained models and join their spot checks."""
    input:
        records=[f"{TRAIN}/{model}/fold0.json" for model in RECIPES],
    output:
        loss=f"{TRAIN}/loss.svg",
        spot_check=f"{TRAIN}/spot_check.tsv",
    log:
        f"{RESULTS}/logs/train_compare.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_compare.tsv"
    params:
        root=ROOT,
        models=list(RECIPES),
    resources:
        mem_mb=mem_mb(1000),
        runtime=30,
    conda:
        "../../envs/cisweep.yaml"
    script:
        "../../scripts/train_compare.py"
