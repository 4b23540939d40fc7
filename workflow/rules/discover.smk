"""discover: the motifs that attributions form."""


include: "functions/discover.smk"


for rule_name, model, number, files in target_jobs("discover", ".modisco.h5", "discover"):

    rule:
        """Find the motifs of some targets' attributions by tf-modiscolite; name and draw them."""
        name:
            rule_name
        input:
            prepared=f"{RESULTS}/{model}/prepare/prepared.json",
            h5=f"{RESULTS}/{model}/attributions.h5",
            motifs=motif_file,
        output:
            h5=[f"{RESULTS}/{model}/{path}" for path in files],
            meme=discovered_of(model, files, "meme"),
            table=of_targets(
                model,
                discovered_of(None, files, "tsv"),
                "",
                ".tsv",
                "found motifs, a table",
                "Motif discovery",
                "../report/discover.rst",
            ),
            seqlets=discovered_of(model, files, "seqlets.tsv"),
            instances=discovered_of(model, files, "instances.parquet"),
            bed=discovered_of(model, files, "instances.bed"),
            figure=of_targets(
                model,
                discovery_figures(files),
                "discover.",
                ".svg",
                "found motifs, logos",
                "Motif discovery",
                "../report/discover.rst",
            ),
            copies=figure_copies(*(f"{RESULTS}/{model}/{p}" for p in discovery_figures(files))),
        log:
            f"{RESULTS}/logs/discover/{model}/{number}.log",
        benchmark:
            f"{RESULTS}/benchmarks/discover/{model}/{number}.tsv"
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            mem_mb=mem_mb(discover_mb()),
            runtime=discover_minutes(len(files)),
        params:
            root=root_folder,
            model=model,
            settings=settings_of("discover", model),
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
