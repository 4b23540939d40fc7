"""discover: the motifs that attributions form."""


include: "functions/discover.smk"


rule discover:
    """Find the motifs of one target's attributions by tf-modiscolite; name and draw them."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        h5=f"{RESULTS}/{{model}}/attributions.h5",
        motifs=motif_file,
    output:
        h5=f"{RESULTS}/{{model}}/discover/{{target}}.modisco.h5",
        meme=f"{RESULTS}/{{model}}/discover/{{target}}.meme",
        table=report(
            f"{RESULTS}/{{model}}/discover/{{target}}.tsv",
            caption="../report/discover.rst",
            category="Motif discovery",
            labels={"what": "found motifs, a table", "model": "{model}", "target": target_name},
        ),
        seqlets=f"{RESULTS}/{{model}}/discover/{{target}}.seqlets.tsv",
        figure=report(
            f"{RESULTS}/{{model}}/figures/discover.{{target}}.svg",
            caption="../report/discover.rst",
            category="Motif discovery",
            labels={"what": "found motifs, logos", "model": "{model}", "target": target_name},
        ),
        copies=figure_copies(f"{RESULTS}/{{model}}/figures/discover.{{target}}.svg"),
    log:
        f"{RESULTS}/logs/discover/{{model}}/{{target}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/discover/{{model}}/{{target}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb(discover_mb()),
        runtime=discover_minutes(),
    params:
        root=root_folder,
        settings=settings("discover"),
    script:
        "../../scripts/discover.py"
