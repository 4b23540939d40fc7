"""Functions of all rules. The plan is made from config, .fai and BED; no torch here."""

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from cisweep import driver
from cisweep.config.base import NAME
from cisweep.errors import CisweepError
from cisweep.plan.checks import checked_plan
from cisweep.plan.chunks import chunk_id
from cisweep.plan.contents.designs import design_chunks
from cisweep.plan.contents.experiments import (
    block_key,
    marginal_chunks,
    marginal_motifs,
    space_chunks,
    spaced_pairs,
)
from cisweep.plan.input_files import file_notices
from cisweep.plan.contents.null_stretches import NullStretches
from cisweep.plan.contents.pairs import pair_chunks
from cisweep.plan.plan import Plan
from cisweep.plan.run_config import needless_nulls
from cisweep.plan.workload import chosen_notice, small_chunks
from cisweep.outputs.browser import browser_tracks
from cisweep.steps.report import HUB_FILES
from cisweep.steps.train import data_files, n_folds, read_files, with_tracks

# workflow.current_basedir is the folder of this file; jobs find the workflow's own files by it.
ROOT = str(Path(workflow.current_basedir).parent.parent)


def make_plan():
    """Return the plan of the run; a fault in the config stops here, as one readable message.

    What the run reads is looked at once, by the process that plans it, not by each job.
    """
    try:
        if workflow.is_main_process:
            return checked_plan(config, Path(ROOT), workflow.configfiles)
        return Plan.from_config(config, Path(ROOT))
    except CisweepError as error:
        raise WorkflowError(f"cisweep: {error}") from None


PLAN = make_plan()
# Said once, by the process that plans the run, not by each job.
if workflow.is_main_process:
    sizes = [chosen_notice(PLAN), *(small_chunks(PLAN, m) for m in PLAN.models)]
    for notice in filter(None, [*needless_nulls(PLAN.config), *sizes, *file_notices(PLAN)]):
        logger.warning(f"cisweep: {notice}")
    if held := driver.notice(Path(PLAN.results)):
        logger.warning(f"cisweep: {held}")
RESULTS = PLAN.results
CHUNKS = f"{RESULTS}/{{model}}/chunks"
TRAIN = f"{RESULTS}/train"
NAMED = NAME.strip("^$")
NULL_STRETCHES = {model: NullStretches(PLAN, model) for model in PLAN.models}
RECIPES = PLAN.step_config("train").models if PLAN.is_on("train") else {}


wildcard_constraints:
    model=NAMED,
    chunk="c[0-9]+",
    # The end tells a strand's file from a target's.
    target=rf"{NAMED}(?<!\.plus)(?<!\.minus)",
    fold="[0-9]+",
    strand="plus|minus",


def source_files(wildcards):
    """Return the files that the genome or the sequences are read from."""
    return PLAN.source_files


def root_folder(wildcards):
    """Return the workflow's folder."""
    return ROOT


def chunk_paths(step, suffix):
    """Return the input function that lists a step's chunk files of the job's model."""

    def paths(wildcards):
        return [
            f"{RESULTS}/{wildcards.model}/chunks/{step}/{chunk}.{suffix}"
            for chunk in PLAN.chunks(wildcards.model)
        ]

    return paths


def near_chunk_paths(step, suffix):
    """Return the input function that lists the chunk files of the job's chunk and its neighbours."""

    def paths(wildcards):
        return [
            f"{RESULTS}/{wildcards.model}/chunks/{step}/{chunk}.{suffix}"
            for chunk in PLAN.neighbours(wildcards.model, wildcards.chunk)
        ]

    return paths


def beside_attributions(wildcards):
    """Return the attributions of the chunks beside the job's."""
    near = near_chunk_paths("attribute", "h5")(wildcards)
    return [path for path in near if Path(path).stem != wildcards.chunk]


def weights(wildcards):
    """Return the files that determine the output of the job's model."""
    return [str(path) for path in PLAN.models[wildcards.model].watched_files()]


def settings(step):
    """Return the params function that hashes what determines the results of a step."""
    return lambda wildcards: PLAN.settings(step, getattr(wildcards, "model", None))


def chunk_key(wildcards):
    """Return the hash of the regions of the job's chunk."""
    return PLAN.chunk_key(wildcards.model, wildcards.chunk)


def signal_files(wildcards):
    """Return the observed signal that a model's predictions are compared with."""
    signal = PLAN.step_config("predict").signal_of(PLAN.models[wildcards.model])
    return [str(path) for each in signal.values() for path in each.paths]


def signal_key(wildcards):
    """Return what determines the comparison with observed signal, but for the files' bytes."""
    signal = PLAN.step_config("predict").signal_of(PLAN.models[wildcards.model])
    return repr([(name, each.width_bp) for name, each in signal.items()])


def device_resources():
    """Return the number of GPUs that a rule on the device asks for."""
    return 0 if PLAN.config.device == "cpu" else 1


def mem_mb(base):
    """Return the memory of a rule, doubled with each attempt."""
    return lambda wildcards, attempt: base * 2 ** (attempt - 1)


def discover_mb():
    """Return the memory of motif discovery, MB: twice what benchmarks/DISCOVER.md measured, which is
    0.5 GB, 0.15 MB a seqlet and 50 kB a region of 400 bp."""
    step = PLAN.step_config("discover")
    if step is None:
        return 0
    regions = step.max_regions * (step.window_bp + 80) / 400
    return int(2 * (500 + 0.15 * step.max_seqlets + 0.05 * regions))


def discover_minutes():
    """Return the time of motif discovery, minutes: about five times 0.1 s a seqlet of each sign."""
    step = PLAN.step_config("discover")
    return 0 if step is None else 30 + step.max_seqlets // 60


def peaks(wildcards):
    """Return the selected peaks of the job's model, or nothing if all regions are used."""
    return [f"{RESULTS}/{wildcards.model}/peaks.bed"] if PLAN.is_on("select") else []


def null_chunks(wildcards):
    """Return the chunk files of the null of the peaks, none where it is not drawn."""
    chunks = NULL_STRETCHES[wildcards.model].chunks
    return [f"{RESULTS}/{wildcards.model}/chunks/select_null/{chunk}.npz" for chunk in chunks]


def null_settings(wildcards):
    """Return the hash of how the null of the peaks is drawn."""
    return NULL_STRETCHES[wildcards.model].settings


def null_key(wildcards):
    """Return the hash of the windows that are shuffled in the job's chunk."""
    return NULL_STRETCHES[wildcards.model].key(wildcards.chunk)


def attribution_limits():
    """Return how incomplete attributions may be, and what then happens."""
    step = PLAN.step_config("attribute")
    return "" if step is None else f"{step.max_delta} {step.on_incomplete}"


def save_bp():
    """Return the central bases whose hypothetical attributions are kept."""
    step = PLAN.step_config("attribute")
    return 0 if step is None else step.save_bp


def uncounted_attributions(wildcards):
    """Return the attributions of all chunks, if no file of peaks says how many windows there are."""
    return [] if PLAN.is_on("select") else chunk_paths("attribute", "h5")(wildcards)


def near_attributions(wildcards):
    """Return the attributions of a chunk and of those beside it, if there are any."""
    return near_chunk_paths("attribute", "h5")(wildcards) if PLAN.is_on("attribute") else []


def peaks_without_attributions(wildcards):
    """Return the peaks, if they are scanned without having been attributed."""
    step = PLAN.step_config("hits")
    scanned = step is not None and step.over == "regions" and not PLAN.is_on("attribute")
    return peaks(wildcards) if scanned else []


def near_chunk_keys(wildcards):
    """Return the hash of the regions of a chunk and of those beside it."""
    return [
        PLAN.chunk_key(wildcards.model, chunk)
        for chunk in PLAN.neighbours(wildcards.model, wildcards.chunk)
    ]


def recipe_key(wildcards):
    """Return the hash of a model's recipe, without the names of its files."""
    return RECIPES[wildcards.model].key()


def repeat_command():
    """Return the command that makes the run again, its configs named from the workflow's folder."""
    files = [Path(file).resolve() for file in workflow.overwrite_configfiles]
    root = Path(ROOT).resolve()
    shown = [str(f.relative_to(root)) if f.is_relative_to(root) else f.name for f in files]
    return " ".join(["snakemake --cores 1", *(["--configfile", *shown] if shown else [])])


def counted_recipe(model):
    """Return a model's recipe, with the tracks that the run makes in place of reads."""
    return with_tracks(RECIPES[model], Path(TRAIN) / model / "tracks")


def counted_reads(wildcards):
    """Return the file of reads that a track is made from, and its index, if it has one."""
    path = read_files(RECIPES[wildcards.model])[int(wildcards.file)]
    indices = [f"{path}.bai", path.with_suffix(".bai"), f"{path}.csi"]
    return [str(path), *[str(i) for i in indices if path.suffix == ".bam" and Path(i).exists()]]


def folds(pattern):
    """Return the paths of a pattern with {fold}, for all folds of the job's model."""
    return lambda wildcards: [
        f"{TRAIN}/{wildcards.model}/{pattern.format(fold=fold)}"
        for fold in range(n_folds(RECIPES[wildcards.model]))
    ]


def ism_option(name):
    """Return an option of the step ism, or nothing if it is off."""
    return getattr(PLAN.step_config("ism"), name) if PLAN.is_on("ism") else None


def ism_peaks(wildcards):
    """Return the peaks that are mutated, or nothing if a BED says which regions are, or all."""
    chosen = PLAN.is_on("select") and ism_option("bed") is None
    return [f"{RESULTS}/{wildcards.model}/ism/regions.bed"] if chosen else []


def ism_chunks(suffix):
    """Return the input function that lists the step's chunk files of the job's model."""
    return lambda wildcards: [
        f"{RESULTS}/{wildcards.model}/chunks/ism/{chunk}.{suffix}"
        for chunk in ISM.chunks(wildcards.model)
    ]


def ism_dropped(wildcards):
    """Return the dropped rows of the step's own BED; regions of the run are told by others."""
    if ism_option("bed") is None:
        return []
    return [
        f"{RESULTS}/{model}/chunks/ism/{chunk}.dropped.tsv"
        for model in PLAN.models
        for chunk in ISM.chunks(model)
    ]


def dropped_variants(wildcards):
    """Return the tables of the variants that have no effect: unread ones, then by model."""
    if not PLAN.is_on("variants"):
        return []
    models = [name for name, model in PLAN.models.items() if model.adapter != "hf_lm"]
    return [
        f"{RESULTS}/variants/unread.tsv",
        *(path for m in models for path in variant_chunks("dropped.tsv", m)(wildcards)),
    ]


def variant_file(wildcards):
    """Return the variant file of the config, or nothing if the step is off."""
    step = PLAN.step_config("variants")
    return [] if step is None else [str(step.path)]


def variant_chunks(suffix, model=None):
    """Return the input function that lists the variants' chunk files of a model, or the job's.

    Which bins hold variants is known only once the file is read, so every bin of a wanted
    chromosome has a job; one without variants is over at once.
    """

    def paths(wildcards):
        folder = f"{RESULTS}/{model or wildcards.model}/chunks/variants"
        return [f"{folder}/{chunk}.{suffix}" for chunk in variant_bins()]

    return paths


def variant_bins():
    """Return the chunks that may hold variants: all bins of the wanted chromosomes."""
    bins = range(PLAN.layout.n_bins)
    wanted = [i for i in bins if any(PLAN.wanted(c) for c, _, _ in PLAN.layout.stretches(i))]
    return [chunk_id(i) for i in wanted]


def top_variants():
    """Return how many of the strongest variants are explained."""
    step = PLAN.step_config("variants")
    return 0 if step is None else step.top_n


def variant_predictions(wildcards):
    """Return the predictions among which the alleles are ranked, if they are made."""
    return [f"{RESULTS}/{wildcards.model}/predictions.h5"] if PLAN.is_on("predict") else []


def motif_file(wildcards):
    """Return the motif file, if there is one."""
    return [str(PLAN.config.motifs)] if PLAN.config.motifs else []


def base_counts(wildcards):
    """Return the counted bases of the source, the background of hits, where there are motifs."""
    return [f"{RESULTS}/base_counts.json"] if PLAN.config.motifs else []


def marginal_parts(wildcards):
    """Return the chunk files of the step marginalize."""
    chunks = marginal_chunks(PLAN, wildcards.model)
    return [f"{RESULTS}/{wildcards.model}/chunks/marginalize/{c}.parquet" for c in chunks]


def marginal_key(wildcards):
    """Return the hash of the motifs of the job's chunk."""
    rows, motifs = marginal_chunks(PLAN, wildcards.model)[wildcards.chunk], marginal_motifs(PLAN)
    return block_key([motifs[i] for i in rows])


def space_parts(wildcards):
    """Return the chunk files of the step space."""
    chunks = space_chunks(PLAN, wildcards.model)
    return [f"{RESULTS}/{wildcards.model}/chunks/space/{c}.parquet" for c in chunks]


def space_key(wildcards):
    """Return the hash of the motifs of the pairs of the job's chunk."""
    rows, pairs = space_chunks(PLAN, wildcards.model)[wildcards.chunk], spaced_pairs(PLAN)
    return block_key([motif for i in rows for motif in pairs[i]])


def zero_shot_files(wildcards):
    """Return the files of pairs of the config."""
    step = PLAN.step_config("zero_shot")
    pairs = [] if step is None else step.pairs
    return [str(path) for pair in pairs for path in (pair.ref, pair.alt)]


def zero_shot_variants():
    """Return the selected variants, where these are scored."""
    step = PLAN.step_config("zero_shot")
    wanted = step is not None and not step.pairs and PLAN.is_on("variants")
    return [f"{RESULTS}/variants/selected.parquet"] if wanted else []


def browser_files():
    """Return the merged products that a genome browser shows."""
    found = browser_tracks(path.removeprefix(f"{RESULTS}/") for path in PLAN.products())
    return [f"{RESULTS}/{track.path}" for track in found]


def hub_files():
    """Return the files of the UCSC track hub, if one is wanted."""
    step = PLAN.step_config("report")
    wanted = step is not None and step.hub is not None and PLAN.is_genome
    return [f"{RESULTS}/{name}" for name in HUB_FILES] if wanted else []


def zero_shot_key(wildcards):
    """Return which blocks of pairs of files a chunk has; those of variants follow from its file."""
    step = PLAN.step_config("zero_shot")
    return str(pair_chunks(PLAN)[wildcards.chunk]) if step is not None and step.pairs else ""


def zero_shot_chunks(suffix):
    """Return the input function that lists the chunk files of the step zero_shot."""

    def paths(wildcards):
        step = PLAN.step_config("zero_shot")
        chunks = list(pair_chunks(PLAN)) if step is not None and step.pairs else variant_bins()
        folder = f"{RESULTS}/{wildcards.model}/chunks/zero_shot"
        return [f"{folder}/{chunk}.{suffix}" for chunk in chunks]

    return paths


def variant_trim():
    """Return where the windows of indels are trimmed, if there are variants."""
    step = PLAN.step_config("variants")
    return "" if step is None else step.trim


def design_files(*names):
    """Return the input function that lists files of the step's config, nothing if it is off."""
    step = PLAN.step_config("design")
    found = [] if step is None else [getattr(step, name) for name in names]
    return lambda wildcards: [str(path) for path in found if path is not None]


def design_usual(wildcards):
    """Return the run's BED file where it says what composition is usual."""
    step, bed = PLAN.step_config("design"), PLAN.config.regions.bed
    return [] if step is None or step.composition or not bed else [str(bed)]


def design_weights(wildcards):
    """Return the files that determine the output of the models that take part."""
    return [
        str(path) for name in PLAN.design_models() for path in PLAN.models[name].watched_files()
    ]


def design_parts(suffix):
    """Return the input function that lists the chunk files of the designs."""
    return lambda wildcards: [
        f"{RESULTS}/design/chunks/{chunk}.{suffix}" for chunk in design_chunks(PLAN)
    ]
