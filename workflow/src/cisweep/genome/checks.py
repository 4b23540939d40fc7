"""All that can be known to be wrong before any job: the config, and the files that it names.

The Snakefile calls `checked_plan` once, in the process that plans the run. No torch here.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cisweep.config.yaml_files import check_repeated_keys
from cisweep.errors import stop_at_faults
from cisweep.genome.design_windows import design_chunks
from cisweep.genome.experiment_chunks import check_experiments
from cisweep.genome.ism_windows import IsmRegions
from cisweep.genome.pairs import pair_chunks
from cisweep.genome.plan import Plan
from cisweep.genome.variants import VariantPolicy, check_variants


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
    stop_at_faults([plan.check_inputs, *_checks_of_steps(plan)], told=plan.missing_files())
    return plan


def _checks_of_steps(plan: Plan) -> list[Callable[[], object]]:
    checks: dict[str, Callable[[], object]] = {
        "zero_shot": partial(pair_chunks, plan),
        "ism": lambda: IsmRegions(plan).check(),
        "variants": partial(_check_variants, plan),
        "design": partial(design_chunks, plan),
    }
    return [
        partial(check_experiments, plan),
        *(check for step, check in checks.items() if plan.is_on(step)),
    ]


def _check_variants(plan: Plan) -> None:
    """Look at the header of the variant file."""
    step = plan.step_config("variants")
    check_variants(step.path, VariantPolicy.of(step))
