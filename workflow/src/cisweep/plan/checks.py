"""All that can be known to be wrong before any job: the config, and the files that it names.

The Snakefile calls `checked_plan` once, in the process that plans the run. No torch here.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cisweep.config.model import LANGUAGE_HEADS
from cisweep.config.yaml_files import check_repeated_keys
from cisweep.errors import (
    ConfigError,
    GenomeError,
    ModelError,
    MotifError,
    RegionError,
    VariantError,
    stop_at_faults,
)
from cisweep.genome.motifs import Motif, load_motifs
from cisweep.genome.variants.reading import VariantPolicy, check_variants
from cisweep.plan.accounting import check_share_of, dropped_table, n_regions
from cisweep.plan.chunk_windows import usable_windows
from cisweep.plan.contents.designs import design_chunks, design_length
from cisweep.plan.contents.experiments import check_experiments
from cisweep.plan.contents.ism import IsmRegions
from cisweep.plan.contents.pairs import pair_chunks
from cisweep.plan.input_files import check_source, file_checks
from cisweep.plan.plan import Plan
from cisweep.plan.run_config import paths_in
from cisweep.plan.training_files import check_recipe

READ_BP = 20_000_000
"""Bases whose reading before any job takes about a second, or less."""


def checked_plan(data: Mapping[str, Any], root: Path, files: Iterable[Path] = ()) -> Plan:
    """Return the plan of a run, once all that it reads was looked at.

    data: the config as Snakemake has merged it; root: the workflow's folder; files: the YAML files
    that the config was read from.

    Raises a CisweepError that lists every fault: of the config, else of the files that it names.
    """
    plans: list[Plan] = []
    stop_at_faults(
        [
            *(partial(check_repeated_keys, Path(file)) for file in files),
            lambda: plans.append(Plan.from_config(data, root)),
        ]
    )
    plan = plans[0]
    missing = plan.missing_files()
    checks = [plan.check_inputs, partial(_check_files, plan, missing), *_checks_of_steps(plan)]
    stop_at_faults(checks, told=missing)
    return plan


def _check_files(plan: Plan, missing: Iterable[tuple[str, Path]]) -> None:
    stop_at_faults(file_checks(plan), told=missing)


def _checks_of_steps(plan: Plan) -> list[Callable[[], object]]:
    checks: dict[str, Callable[[], object]] = {
        "zero_shot": partial(_check_zero_shot, plan),
        "ism": lambda: IsmRegions(plan).check(),
        "variants": partial(_check_variants, plan),
        "design": partial(_check_design, plan),
        "train": partial(_check_training, plan),
    }
    return [
        partial(_check_names, plan),
        partial(_check_lengths, plan),
        partial(_check_widths, plan),
        partial(check_experiments, plan),
        *(partial(_check_n, plan, model) for model in plan.models),
        *(check for step, check in checks.items() if plan.is_on(step)),
    ]


def _check_names(plan: Plan) -> None:
    """Raise a ConfigError for each file whose name Snakemake would read as a pattern."""
    named = [*paths_in(plan.config)]
    named += [(f"models.{name}", p) for name, model in plan.models.items() for p in model.files()]
    stop_at_faults(partial(_refuse_braces, key, path) for key, path in named if "{" in str(path))


def _refuse_braces(key: str, path: Path) -> None:
    raise ConfigError(
        f"{path} has a brace, and Snakemake takes what stands in braces for a wildcard",
        where=key,
        mend="rename the file or folder, or link to it by another name (ln -s)",
    )


def _check_lengths(plan: Plan) -> None:
    """Raise a GenomeError for sequences without a base, or tiles of which none fits."""
    files = plan.source_files
    lengths = {name: bp for name, bp in plan.source.lengths.items() if plan.wanted(name)}
    if empty := [name for name, bp in lengths.items() if not bp]:
        raise GenomeError(
            f"sequence {empty[0]!r} has no bases"
            + (f" ({len(empty)} such sequences)" if len(empty) > 1 else ""),
            where=files[0],
            mend="take it out of the file" + (", or of regions.chroms" if plan.is_genome else ""),
        )
    if plan.config.regions.edge == "pad" or plan.given is not None:
        return
    for name, model in plan.models.items():
        if lengths and max(lengths.values()) < model.window_bp:
            raise RegionError(
                f"the longest chromosome that is taken has {max(lengths.values())} bp, and a "
                f"window of model {name} {model.window_bp} bp: every tile leaves its chromosome",
                where="regions.tile",
                mend="set regions.edge: pad, or use another model or genome",
            )


def _check_n(plan: Plan, model: str) -> None:
    """Raise a RegionError if too many of a model's regions are dropped, those for their N counted.

    Their bases are read as the jobs read them, where that is little: up to READ_BP. Of larger runs
    the job behind the sweep, `dropped_regions`, says it.
    """
    step = plan.first_map_step
    if step is None or _bases_to_read(plan, model) > READ_BP:
        return
    # What they find is told once; here it means that there is nothing to read.
    plan.check_regions(model)
    check_source(plan)
    parts = [usable_windows(plan, model, chunk).dropped for chunk in plan.chunks(model)]
    parts = [part.assign(step=step, model=model) for part in parts]
    check_share_of(plan, model, dropped_table(plan, parts))


def _bases_to_read(plan: Plan, model: str) -> int:
    """Return as how many bases the reading of all windows of a model counts, at most."""
    n, source = n_regions(plan, model), plan.source
    return n * plan.models[model].window_bp + min(n * source.read_bp, sum(source.lengths.values()))


def _check_widths(plan: Plan) -> None:
    """Raise a MotifError for a motif that no window of a model can hold."""
    if not any(plan.is_on(step) for step in ("hits", "ablate")):
        return
    for name, model in plan.models.items():
        if model.adapter != "hf_lm":
            reader, where = f"model {name} reads", f"motifs ({plan.config.motifs})"
            mend = "take it out of the motif file"
            _refuse_wide(plan.known_motifs, model.window_bp, reader, where=where, mend=mend)


def _refuse_wide(
    motifs: Iterable[Motif], window_bp: int, reader: str, *, where: str, mend: str
) -> None:
    for motif in motifs:
        if motif.width > window_bp:
            raise MotifError(
                f"motif {motif.name} has {motif.width} positions, and {reader} {window_bp} bp",
                where=where,
                mend=mend,
            )


def _check_zero_shot(plan: Plan) -> None:
    """Look at the pairs of sequences, and at the heads of the language models."""
    step = plan.step_config("zero_shot")
    wanted = [score for score in step.scores if score in ("likelihood_ratio", "masked_token_ratio")]
    checks = [
        partial(_check_head, name, fold.weights, wanted, step.space == "logits")
        for name, model in plan.models.items()
        for fold in model.folds
        if model.adapter == "hf_lm" and fold.hub is None
    ]
    stop_at_faults([*checks, *([partial(pair_chunks, plan)] if step.pairs else [])])


def _check_head(name: str, folder: Path, scores: list[str], logits: bool) -> None:
    """Raise a ModelError if the language model's config.json names no head that a score needs."""
    path = folder / "config.json"
    if not path.is_file():
        return  # prepare says what the folder lacks
    try:
        architectures = json.loads(path.read_text())["architectures"]
        ends = [kind for a in architectures for e, kind in LANGUAGE_HEADS.items() if a.endswith(e)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # as above
    if not ends and (scores or logits):
        asked = f"scores: {scores[0]}" if scores else "space: logits"
        raise ModelError(
            f"steps.zero_shot.{asked} needs a language head, and the architecture "
            f"{', '.join(architectures)} has none",
            where=f"models.{name} ({path})",
            mend="use a checkpoint with its head, or distances of hidden states (l2, cosine)",
        )
    if "masked_token_ratio" in scores and ends and ends[0] != "masked":
        raise ModelError(
            f"steps.zero_shot.scores: masked_token_ratio needs a masked model, and the "
            f"architecture {', '.join(architectures)} predicts from left to right",
            where=f"models.{name} ({path})",
            mend="use likelihood_ratio in steps.zero_shot.scores",
        )


def _check_variants(plan: Plan) -> None:
    """Look at the variant file, whole if it is small, and at the names that its contigs get."""
    step = plan.step_config("variants")
    known = plan.source.lengths
    unknown = {old: new for old, new in step.contig_aliases.items() if new not in known}
    check_source(plan)
    stop_at_faults(
        [
            partial(check_variants, step.path, VariantPolicy.of(step), plan.source),
            *(partial(_refuse_alias, old, new, list(known)) for old, new in unknown.items()),
        ]
    )


def _refuse_alias(old: str, new: str, known: list[str]) -> None:
    raise VariantError(
        f"{new!r} is no chromosome of the genome",
        where=f"steps.variants.contig_aliases.{old}",
        mend=f"name one of {', '.join(known[:8])}{' …' if len(known) > 8 else ''}",
    )


def _check_design(plan: Plan) -> None:
    """Look at the step's regions and motifs; `file_checks` looks at its other files."""
    step = plan.step_config("design")
    checks: list[Callable[[], object]] = [partial(design_chunks, plan)]
    for key in ("forbidden_motifs", "required_motifs"):
        if (path := getattr(step, key)) is not None:
            checks.append(partial(_check_design_motifs, plan, key, path))
    stop_at_faults(checks)


def _check_design_motifs(plan: Plan, key: str, path: Path) -> None:
    where, mend = f"steps.design.{key} ({path})", "take it out of the file"
    _refuse_wide(load_motifs(path), design_length(plan), "the designs", where=where, mend=mend)


def _check_training(plan: Plan) -> None:
    recipes = plan.step_config("train").models
    stop_at_faults(partial(check_recipe, name, recipe) for name, recipe in recipes.items())
