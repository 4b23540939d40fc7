"""Write the regions of the export as narrowPeak, in the order of the H5."""

from cisweep.job import Job
from cisweep.outputs.attributions import narrowpeak_lines
from cisweep.outputs.h5 import open_rows, read_windows

with (
    Job(snakemake) as job,  # noqa: F821
    open_rows(job.inputs("h5")[0]) as file,
    job.product("narrowpeak") as path,
):
    path.write_text("".join(narrowpeak_lines(read_windows(file))))
