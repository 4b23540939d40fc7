"""Explain both alleles of the strongest variants; list the motif hits that they gain and lose."""

from cisweep.analysis.motifs.chunk import scan_options
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.variants.allele_hits import (
    ALLELE_HIT_COLUMNS,
    allele_hits,
    allele_spans,
    hits_in_words,
)
from cisweep.analysis.variants.gather import Strongest
from cisweep.contracts import Windows
from cisweep.genome.motifs import load_motifs
from cisweep.genome.signal import track_inputs, tracks_of
from cisweep.genome.variants.alleles import WindowPlan, allele_windows
from cisweep.job import Job
from cisweep.outputs.tables import write_tsv
from cisweep.outputs.variants import effect_blocks, one_based, read_selected
from cisweep.plot.alleles import AlleleLogo, save_allele_logos
from cisweep.steps.hits import HitsConfig

with Job(snakemake) as job:  # noqa: F821
    import numpy as np
    import pandas as pd

    from cisweep.analysis.attribution.references import make_references
    from cisweep.analysis.attribution.windows import attribute_windows
    from cisweep.models.ensemble import Ensemble

    plan, step, config = job.plan, job.plan.step_config("variants"), job.plan.models[job.model]
    strongest = Strongest(step.top_n)
    for table in effect_blocks(job.inputs("table")):
        strongest.add(table)
    regions, seed, width = plan.config.regions, plan.config.seed, config.window_bp
    tracks = tracks_of(config)
    windows = WindowPlan(
        width, step.trim, regions.edge, regions.max_n, step.haplotype, places=bool(tracks)
    )
    references = make_references("dinucleotide", 20, seed, job.threads)
    motifs = load_motifs(plan.config.motifs) if plan.config.motifs else []
    target = job.wildcards.target
    rows = strongest.table
    rows = rows[rows["target"] == target] if len(rows) else rows
    shown = {(r.chrom, r.pos, r.ref, r.alt, r.haplotype): r.delta for r in rows.itertuples()}
    places = {key[:4]: (key[0], key[1] - width, key[1] + width) for key in shown}
    # With haplotypes the windows carry what stands near, so all of it is read again.
    near = [
        v for place in places.values() for v in read_selected(job.inputs("selected")[0], [place])
    ]
    near = list({v.key: v for v in near}.values())
    variants = [v for v in near if (v.chrom, v.pos, v.ref, v.alt) in places]
    alleles = allele_windows(variants, plan.source, windows, others=near)
    keys = [(v.chrom, v.pos, v.ref, v.alt, v.haplotype) for v in alleles.variants]
    row_of = {key: i for i, key in enumerate(keys)}
    alleles = alleles.take(np.array([row_of[key] for key in shown], dtype=np.int64))
    logos, hits = [], pd.DataFrame(columns=ALLELE_HIT_COLUMNS)
    if len(alleles):
        own = alleles.windows.take(alleles.ref_idx)
        tokens = np.concatenate([alleles.ref[alleles.ref_idx], alleles.alt])
        inputs = []
        if tracks:
            places = np.concatenate([alleles.ref_places[alleles.ref_idx], alleles.places])
            inputs = track_inputs(tracks, [*own.chrom, *own.chrom], places)
        with job.device() as device:
            found = attribute_windows(
                Ensemble.load(config, device),
                Windows.concatenate([own, own]),
                tokens,
                inputs,
                references,
                batch_size=8,
            )
        one_hot = np.eye(5, 4, dtype=np.float32)[tokens].transpose(0, 2, 1)
        values = found.projected[config.target_names.index(target)][:, None] * one_hot
        n = len(alleles)
        if motifs:
            # As the run's hits are, so that a site has one p-value.
            scan = plan.step_config("hits") or HitsConfig()
            scanner = prepare_motifs(motifs, **scan_options(scan, job.inputs("counts")[0]))
            hits = allele_hits(alleles, scanner, motifs)
        letters = ["".join("ACGTN"[t] for t in row) for row in tokens]
        for i, (v, delta) in enumerate(zip(alleles.variants, shown.values())):
            same = hits[["chrom", "pos", "ref", "alt"]] == [v.chrom, v.pos, v.ref, v.alt]
            mine = hits[same.all(axis=1)]
            on = f" on haplotype {v.haplotype}" if v.haplotype else ""
            logo = AlleleLogo(
                f"{v.chrom}:{v.pos + 1:,} {v.ref}>{v.alt}{on} ({delta:+.3g})",
                values[i],
                values[n + i],
                *allele_spans(alleles, i),
                (letters[i], letters[n + i]),
                hits_in_words(mine),
            )
            logos.append(logo)
    with job.product("logos") as path:
        save_allele_logos(logos, path, name=target)
    with job.product("hits") as path:
        write_tsv(one_based(hits), path)
