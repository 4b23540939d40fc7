"""design: sequences edited until the models predict what is wanted."""

from cisweep.plan.contents.design import design_key, design_models, designs_key
from cisweep.steps.design import FIGURES as DESIGN_FIGURES


include: "functions/design.smk"


rule design_chunk:
    """Design the windows of one chunk."""
    input:
        source=source_files,
        weights=design_weights,
        files=design_files("frozen", "priors", "composition", "forbidden_motifs", "required_motifs"),
        usual=design_usual,
        motifs=motif_file,
    output:
        table=f"{RESULTS}/design/chunks/{{chunk}}.parquet",
        history=f"{RESULTS}/design/chunks/{{chunk}}.h5",
    log:
        f"{RESULTS}/logs/design_chunk/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/design_chunk/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=device_resources(),
        mem_mb=mem_mb(6000),
        runtime=240,
    params:
        root=root_folder,
        settings=settings("design"),
        models=lambda wildcards: [PLAN.model_key(name) for name in design_models(PLAN)],
        regions=lambda wildcards: design_key(PLAN, wildcards.chunk),
    script:
        "../../scripts/design_chunk.py"


rule design:
    """Merge the designs: table, sequences, edits as VCF, histories, figures."""
    input:
        tables=design_parts("parquet"),
        histories=design_parts("h5"),
        motifs=motif_file,
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
                name=DESIGN_FIGURES,
            ),
            caption="../report/design.rst",
            category="Designs",
        ),
        copies=figure_copies(*expand(f"{RESULTS}/design/figures/{{name}}.svg", name=DESIGN_FIGURES)),
    log:
        f"{RESULTS}/logs/design.log",
    benchmark:
        f"{RESULTS}/benchmarks/design.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(3000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("design"),
        regions=designs_key(PLAN) if PLAN.is_on("design") else "",
    script:
        "../../scripts/design.py"
