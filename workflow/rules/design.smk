"""design: sequences edited until the models predict what is wanted."""

from cisweep.genome.chunks import windows_digest
from cisweep.genome.design_windows import design_chunks


def design_files(*names):
    """Return the files of the step's config, or nothing if the step is off."""
    step = PLAN.step_config("design")
    found = [] if step is None else [getattr(step, name) for name in names]
    return [str(path) for path in found if path is not None]


def design_models():
    """Return the ids of the models that take part."""
    step = PLAN.step_config("design")
    return [] if step is None else [*step.oracles, *step.judges]


def design_weights(wildcards):
    """Return the files that determine the output of the models that take part."""
    return [str(path) for name in design_models() for path in PLAN.models[name].files()]


def design_parts(suffix):
    """Return the input function that lists the chunk files of the designs."""
    return lambda wildcards: [
        f"{RESULTS}/design/chunks/{chunk}.{suffix}" for chunk in design_chunks(PLAN)
    ]


def design_motifs():
    """Return the motif file, if there is one."""
    return [str(PLAN.config.motifs)] if PLAN.config.motifs else []


if PLAN.is_on("design"):
    make_design_chunks = design_chunks(PLAN)  # its faults are those of the config: before any job


rule design_chunk:
    """Design the windows of one chunk."""
    input:
        source=PLAN.source_files,
        weights=design_weights,
        files=design_files("frozen", "forbidden_motifs", "required_motifs"),
        motifs=design_motifs(),
    output:
        table=f"{RESULTS}/design/chunks/{{chunk}}.parquet",
        history=f"{RESULTS}/design/chunks/{{chunk}}.h5",
    log:
        f"{RESULTS}/logs/design_chunk/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/design_chunk/{{chunk}}.tsv"
    conda:
        "../../envs/cisweep.yaml"
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(6000),
        runtime=240,
    params:
        root=root_folder,
        settings=settings("design"),
        models=lambda wildcards: [PLAN.model_key(name) for name in design_models()],
        regions=lambda wildcards: [windows_digest(w) for w in design_chunks(PLAN).values()],
    script:
        "../../scripts/design_chunk.py"


rule design:
    """Merge the designs: table, sequences, edits as VCF, histories, figures."""
    input:
        tables=design_parts("parquet"),
        histories=design_parts("h5"),
    output:
        table=f"{RESULTS}/design/designs.parquet",
        fasta=f"{RESULTS}/design/designs.fa",
        vcf=f"{RESULTS}/design/edits.vcf.gz",
        tbi=f"{RESULTS}/design/edits.vcf.gz.tbi",
        history=f"{RESULTS}/design/history.h5",
        dropped=f"{RESULTS}/design/dropped.tsv",
        figures=report(
            expand(
                f"{RESULTS}/design/figures/{{name}}.svg",
                name=["loss", "edits", "goals", "pruning", "logos"],
            ),
            caption="../report/design.rst",
            category="Designs",
        ),
    log:
        f"{RESULTS}/logs/design.log",
    benchmark:
        f"{RESULTS}/benchmarks/design.tsv"
    conda:
        "../../envs/cisweep.yaml"
    resources:
        mem_mb=mem_mb(3000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("design"),
    script:
        "../../scripts/design.py"
