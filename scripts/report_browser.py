"""Write what genome browsers open: an IGV session and, if wanted, a UCSC track hub."""

import os
from pathlib import Path

from cisweep.job import Job
from cisweep.outputs.browser import (
    browser_tracks,
    genomes_text,
    hub_text,
    strongest_peak,
    track_db_text,
    write_igv_session,
)

with Job(snakemake) as job:  # noqa: F821
    plan, folder = job.plan, Path(job.plan.results)
    hub = plan.step_config("report").hub
    tracks = browser_tracks(path.removeprefix(f"{folder}/") for path in plan.products())
    locus = strongest_peak(job.inputs("peaks")) or next(iter(plan.source.lengths))
    genome = hub.assembly if hub else os.path.relpath(plan.config.genome.fasta, folder)
    with job.product("igv") as path:
        for left in write_igv_session(path, tracks, folder, genome, locus):
            job.say(f"{left} is too large for a session: index it, and open it by hand")
    texts = {
        "hub.txt": lambda: hub_text(plan.config.run, hub.email),
        "genomes.txt": lambda: genomes_text(hub.assembly),
        "trackDb.txt": lambda: track_db_text(tracks),
    }
    for final in job.products("hub"):
        with job.written(final) as path:
            path.write_text(texts[final.name]())
