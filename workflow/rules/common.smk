"""Functions that rules of several steps use. The plan is made from config, .fai and BED; no torch here."""

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from cisweep import driver
from cisweep.config.base import NAME
from cisweep.contracts import FIGURE_COPIES, STORED_NAME, split_strand
from cisweep.environment import environment_file
from cisweep.errors import CisweepError
from cisweep.plan import model_keys
from cisweep.plan.accounting import is_small, item_tables, region_tables
from cisweep.plan.checks import checked_plan, notices
from cisweep.plan.contents import chunks_in, step_chunk_key, step_chunks
from cisweep.plan.contents.motifs import scanned_files
from cisweep.plan.made_inputs import make_inputs
from cisweep.plan.plan import Plan
from cisweep.plan.stored_inputs import fetch_inputs
from cisweep.plan.target_groups import target_groups
from cisweep.storage import check_local, stored_object

# workflow.current_basedir is the folder of this file; jobs find the workflow's own files by it.
ROOT = str(Path(workflow.current_basedir).parent.parent)
# Snakemake formats a path by the wildcards: a brace of a folder's name is doubled to stand for itself.
# A function in place of a text would be called for every job of the plan.
ENVIRONMENT, root_folder = (
    path.replace("{", "{{").replace("}", "}}") for path in (environment_file(Path(ROOT)), ROOT)
)


def make_plan():
    """Return the plan of the run; a fault in the config stops here, as one readable message.

    What the run reads is looked at once, by the process that plans it, not by each job.
    """
    try:
        if workflow.is_main_process:
            check_local(workflow.storage_settings)
            fetched = fetch_inputs(config, Path(ROOT), lambda name: stored_object(storage, name))
            for line in fetched:
                logger.warning(f"cisweep: {line}")
            for line in make_inputs(config, Path(ROOT)):
                logger.warning(f"cisweep: {line}")
            return checked_plan(config, Path(ROOT), workflow.configfiles)
        return Plan.from_config(config, Path(ROOT))
    except CisweepError as error:
        raise WorkflowError(f"cisweep: {error}") from None


PLAN = make_plan()
# Said once, by the process that plans the run, not by each job.
if workflow.is_main_process:
    for notice in notices(PLAN):
        logger.warning(f"cisweep: {notice}")
    if held := driver.notice(Path(PLAN.results)):
        logger.warning(f"cisweep: {held}")
RESULTS = PLAN.results
CHUNKS = f"{RESULTS}/{{model}}/chunks"
# On a cluster, tracks, tables and the page of a small run are made beside the driver: each takes
# seconds, less than a job in the queue costs. A job that is in the queue already is no such one.
IS_SMALL = workflow.is_main_process and is_small(PLAN)
NAMED = NAME.strip("^$")


wildcard_constraints:
    model=NAMED,
    chunk="c[0-9]+",
    # The end tells a strand's file from a target's.
    target=rf"{STORED_NAME}(?<!\.plus)(?<!\.minus)",
    fold="[0-9]+",
    strand="plus|minus",


def reported_name(target):
    """Return the name of a target or track, for `snakemake --report`."""
    # Snakemake takes what stands in braces for a wildcard.
    return target.replace("{", "(").replace("}", ")")


def target_jobs(step, ending, rule_name):
    """Return name of the rule, model, number and products of each job that writes a step's products
    of single targets: rules are made of them in a loop, since a job writes those of many."""
    found, number = [], {}
    for model, files in target_groups(PLAN, step, ending):
        number[model] = number.get(model, -1) + 1
        name = f"{rule_name}_{len(found) + 1}" if found else rule_name
        found.append((name, model, number[model], files))
    return found


def of_targets(model, files, start, ending, what, category, caption):
    """Return products of targets with their entries in `snakemake --report`; start, ending: what
    stands around the target in the name of a file."""
    found = []
    for path in files:
        file_name = Path(path).name.removeprefix(start).removesuffix(ending)
        target, strand = split_strand(file_name)
        name = reported_name(PLAN.models[model].named(target))
        labels = {"what": what, "model": model, "target": f"{name} {strand}".strip()}
        path = f"{RESULTS}/{model}/{path}"
        found.append(report(path, caption=caption, category=category, labels=labels))
    return found


def targets_key(wildcards):
    """Return the hash of what is known of the targets and tracks of the job's model."""
    return model_keys.targets_key(PLAN.models[wildcards.model])


def figure_copies(*figures):
    """Return what `save_figure` writes beside the SVGs: PNG, PDF and data."""
    return [figure.removesuffix(".svg") + end for figure in figures for end in FIGURE_COPIES]


def source_files(wildcards):
    """Return the files that the genome or the sequences are read from."""
    return PLAN.source_files


def chunk_paths(step, suffix):
    """Return the input function that lists a step's chunk files of the job's model."""

    def paths(wildcards):
        return [
            f"{RESULTS}/{wildcards.model}/chunks/{step}/{chunk}.{suffix}"
            for chunk in step_chunks(PLAN, step, wildcards.model)
        ]

    return paths


def chunk_key(step):
    """Return the params function that hashes what a step's job of a chunk works on."""
    return lambda wildcards: step_chunk_key(PLAN, step, wildcards.model, wildcards.chunk)


def attributions_in(step, beside=0):
    """Return the input function that lists the attributions of all chunks that a step's chunk joins,
    and of those in some bins beside it."""

    def paths(wildcards):
        return [
            f"{RESULTS}/{wildcards.model}/chunks/attribute/{chunk}.h5"
            for chunk in chunks_in(PLAN, step, wildcards.model, wildcards.chunk, beside)
        ]

    return paths


def weights_of(*models):
    """Return the files that determine the output of models."""
    return [str(path) for model in models for path in PLAN.models[model].watched_files()]


def weights(wildcards):
    """Return the files that determine the output of the job's model."""
    return weights_of(wildcards.model)


def settings(step):
    """Return the params function that hashes what determines the results of a step."""
    return lambda wildcards: PLAN.settings(step, getattr(wildcards, "model", None))


def settings_of(step, model):
    """Return the same of the rules that are made for a model."""
    return PLAN.settings(step, model) if PLAN.is_on(step) else ""


def device_resources():
    """Return the number of GPUs that a rule on the device asks for."""
    return 0 if PLAN.config.device == "cpu" else 1


def mem_mb(base):
    """Return the memory of a rule, doubled with each attempt."""
    return lambda wildcards, attempt: base * 2 ** (attempt - 1)


def peaks(wildcards):
    """Return the selected peaks of the job's model, or nothing if all regions are used."""
    return [f"{RESULTS}/{wildcards.model}/peaks.bed"] if PLAN.is_on("select") else []


def motif_file(wildcards):
    """Return the motif file, if there is one."""
    return [str(PLAN.config.motifs)] if PLAN.config.motifs else []


def scanned_motif_files(wildcards):
    """Return the files of the motifs that hits scans, and that seqlets are named by."""
    return [str(path) for path in scanned_files(PLAN)]


# Of functions Snakemake asks for the jobs that it plans: a job of another rule reads no regions.
def regions_key(wildcards):
    """Return the hash of all regions of the run."""
    return PLAN.regions_hash


def config_key(wildcards):
    """Return the hash of what determines the run's results."""
    return PLAN.config_hash
