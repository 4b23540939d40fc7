"""Count G and C in the windows of one chunk."""

import pandas as pd
from cisweep.analysis.composition import count_gc

from cisweep.job import Job
from cisweep.outputs.tables import write_dropped, write_tsv
from cisweep.plan.chunk_windows import usable_windows

with Job(snakemake) as job:  # noqa: F821
    found = usable_windows(job.plan, job.model, job.chunk)
    windows = found.windows
    with job.product("table") as path:
        places = {"chrom": windows.chrom, "start": windows.start, "end": windows.end}
        write_tsv(pd.DataFrame({**places, "gc": count_gc(found.tokens)}), path)
    with job.product("dropped") as path:
        write_dropped(found.dropped, "gc", job.model, path)
