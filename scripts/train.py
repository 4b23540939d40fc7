"""Write model.yaml, tables, model card and figures of a trained model."""

from cisweep.job import Job
from cisweep.jobs.train import TrainedFolds, train

with (
    Job(snakemake) as job,  # noqa: F821
    job.listed("figures") as figures,
    # A user may go on with model.yaml as his own: no note holds him to its bytes.
    job.listed("tables", without_note=["model.yaml"]) as tables,
):
    folds = TrainedFolds(*map(job.inputs, ("weights", "heldout", "records")))
    job.warn(*train(job.of_model, folds, job.params.command, tables, figures))
