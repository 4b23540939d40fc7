"""The variants of a run: which bins may hold some, and what can be seen before any job."""

from collections.abc import Iterable, Iterator
from functools import partial

from cisweep.errors import VariantError
from cisweep.genome.variants.reading import Variant, VariantPolicy, check_variants
from cisweep.plan.chunks import chunk_id
from cisweep.plan.contents import Check, chunk_tables
from cisweep.plan.fold_chroms import check_chroms
from cisweep.plan.input_files import check_source
from cisweep.plan.plan import Plan

JOB_SECONDS = 3600
"""Work of one job that explains the strongest variants of several targets, about."""


def target_seconds(plan: Plan, model: str) -> float:
    """Return how long both alleles of a target's strongest variants take to explain, a guess."""
    return 60.0


def chunks(plan: Plan, model: str) -> list[str]:
    """Return the chunks that may hold variants: all bins of the wanted chromosomes.

    Which do is known only once the file is read, so every one has a job; one without variants is
    over at once.
    """
    bins = range(plan.layout.n_bins)
    wanted = [i for i in bins if any(plan.wanted(c) for c, _, _ in plan.layout.stretches(i))]
    return [chunk_id(i) for i in wanted]


def dropped_files(plan: Plan) -> list[str]:
    """Return the tables of the variants that have no effect: unread ones, then by model."""
    return [f"{plan.results}/variants/unread.tsv", *chunk_tables(plan, "variants")]


def checks(plan: Plan) -> list[Check]:
    """Return the checks of the file, whole if it is small, and of its contigs' names."""
    step, known = plan.step_config("variants"), plan.source.lengths
    unknown = {old: new for old, new in step.contig_aliases.items() if new not in known}
    check_source(plan)
    return [
        partial(check_variants, step.path, VariantPolicy.of(step), plan.source),
        *(partial(_refuse_alias, old, new, list(known)) for old, new in unknown.items()),
    ]


def _refuse_alias(old: str, new: str, known: list[str]) -> None:
    raise VariantError(
        f"{new!r} is not a chromosome of the genome",
        where=f"steps.variants.contig_aliases.{old}",
        mend=f"name one of {', '.join(known[:8])}{' …' if len(known) > 8 else ''}",
    )


def with_a_fold(plan: "Plan", variants: Iterable[Variant]) -> Iterator[Variant]:
    """Yield variants as they come; raises a ConfigError at the first that no fold reads."""
    readers = plan.models_of("variants")
    seen: set[str] = set()
    for variant in variants:
        if variant.chrom not in seen:
            for name in readers:
                check_chroms(name, plan.models[name], [variant.chrom], "steps.variants.path")
            seen.add(variant.chrom)
        yield variant
