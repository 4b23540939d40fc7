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
            labels=target_labels("found motifs, a table"),
        ),
        seqlets=f"{RESULTS}/{{model}}/discover/{{target}}.seqlets.tsv",
        instances=f"{RESULTS}/{{model}}/discover/{{target}}.instances.parquet",
        bed=f"{RESULTS}/{{model}}/discover/{{target}}.instances.bed",
        figure=report(
            f"{RESULTS}/{{model}}/figures/discover.{{target}}.svg",
            caption="../report/discover.rst",
            category="Motif discovery",
            labels=target_labels("found motifs, logos"),
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


rule discover_clusters:
    """Join the motifs that were found for the targets of all models; draw who uses which."""
    input:
        h5=discovered_files("modisco.h5"),
        tables=discovered_files("tsv"),
        instances=discovered_files("instances.parquet"),
        seqlets=discovered_files("seqlets.tsv"),
    output:
        clusters=report(
            f"{RESULTS}/motif_clusters/clusters.tsv",
            caption="../report/discover_clusters.rst",
            category="Motif discovery",
            labels={"what": "clusters of motifs, a table", "model": "all", "target": "all"},
        ),
        members=f"{RESULTS}/motif_clusters/members.tsv",
        targets=f"{RESULTS}/motif_clusters/targets.tsv",
        meme=f"{RESULTS}/motif_clusters/clusters.meme",
        figure=report(
            f"{RESULTS}/motif_clusters/figures/clusters.svg",
            caption="../report/discover_clusters.rst",
            category="Motif discovery",
            labels={"what": "clusters and targets", "model": "all", "target": "all"},
        ),
        copies=figure_copies(f"{RESULTS}/motif_clusters/figures/clusters.svg"),
    log:
        f"{RESULTS}/logs/discover_clusters.log",
    benchmark:
        f"{RESULTS}/benchmarks/discover_clusters.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(4000),
        runtime=60,
    params:
        root=root_folder,
        settings=settings("discover"),
    script:
        "../../scripts/discover_clusters.py"
