"""hits: where the motifs match, and what each match contributes."""


include: "functions/hits.smk"


rule hits_background:
    """Count bases and dinucleotides of the whole source, the background of the scores."""
    input:
        source=source_files,
    output:
        counts=f"{RESULTS}/base_counts.json",
    log:
        f"{RESULTS}/logs/hits_background.log",
    benchmark:
        f"{RESULTS}/benchmarks/hits_background.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=60,
    params:
        root=root_folder,
        counted="bases and dinucleotides",
    script:
        "../../scripts/hits_background.py"


rule hits_null_size:
    """Count the explained bases; say in which share of them column-shuffled motifs are scanned."""
    input:
        peaks=peaks,
        chunks=attributions_without_peaks,
    output:
        null_size=f"{RESULTS}/{{model}}/chunks/hits/null_size.json",
    log:
        f"{RESULTS}/logs/hits_null_size/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/hits_null_size/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=30,
    params:
        root=root_folder,
        settings=settings("hits"),
    script:
        "../../scripts/hits_null_size.py"


rule hits_chunk:
    """Scan the intervals whose hits start in one chunk."""
    input:
        counts=f"{RESULTS}/base_counts.json",
        source=source_files,
        motifs=scanned_motif_files,
        attributions=near_attributions,
        peaks=peaks_without_attributions,
        null_size=hits_null_size_file,
    output:
        table=update(f"{CHUNKS}/hits/{{chunk}}.parquet"),
        counts=update(f"{CHUNKS}/hits/{{chunk}}.npz"),
        dropped=update(f"{CHUNKS}/hits/{{chunk}}.dropped.tsv"),
    log:
        f"{RESULTS}/logs/hits_chunk/{{model}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/hits_chunk/{{model}}/{{chunk}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb(3000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("hits"),
        regions=near_chunk_keys,
    script:
        "../../scripts/hits_chunk.py"


rule hits:
    """Merge the hits of all chunks; give q-values; rank the motifs of each target."""
    input:
        prepared=f"{RESULTS}/{{model}}/prepare/prepared.json",
        base_counts=f"{RESULTS}/base_counts.json",
        motifs=scanned_motif_files,
        chunks=chunk_paths("hits", "parquet"),
        counts=chunk_paths("hits", "npz"),
        null_size=hits_null_size_file,
        attributions=merged_attributions,
    output:
        table=f"{RESULTS}/{{model}}/hits.parquet",
        bed=f"{RESULTS}/{{model}}/hits.bed",
        ranking=report(
            f"{RESULTS}/{{model}}/motif_ranking.tsv",
            caption="../report/motif_ranking.rst",
            category="Motif hits",
            labels={"what": "motifs, ranked", "model": "{model}", "target": "all"},
        ),
        families=report(
            f"{RESULTS}/{{model}}/motif_families.tsv",
            caption="../report/motif_families.rst",
            category="Motif hits",
            labels={"what": "families of motifs, ranked", "model": "{model}", "target": "all"},
        ),
        matrix=f"{RESULTS}/{{model}}/motif_targets.tsv",
        figure=report(
            f"{RESULTS}/{{model}}/figures/motif_targets.svg",
            caption="../report/motif_targets.rst",
            category="Motif hits",
            labels={"what": "families and targets", "model": "{model}", "target": "all"},
        ),
        copies=figure_copies(f"{RESULTS}/{{model}}/figures/motif_targets.svg"),
    log:
        f"{RESULTS}/logs/hits/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/hits/{{model}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(4000),
        runtime=120,
    params:
        root=root_folder,
        settings=settings("hits"),
    script:
        "../../scripts/hits.py"
