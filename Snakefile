"""cisweep: sequence-to-function models of DNA, swept across a genome.

Configuration: config/config.yaml, described in config/README.md.
"""

from snakemake.utils import min_version

min_version("9.25")


# The config of whoever calls (--configfile, module:) is laid over the demo's.
configfile: f"{workflow.current_basedir}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/select.smk"
include: "workflow/rules/attribute.smk"
include: "workflow/rules/ism.smk"
include: "workflow/rules/seqlets.smk"
include: "workflow/rules/hits.smk"
include: "workflow/rules/discover.smk"
include: "workflow/rules/variants.smk"
include: "workflow/rules/zero_shot.smk"
include: "workflow/rules/perturb.smk"
include: "workflow/rules/design.smk"
include: "workflow/rules/report.smk"


onstart:
    for line in driver.begin(Path(RESULTS)):
        logger.warning(f"cisweep: {line}")


onsuccess:
    driver.end(Path(RESULTS))


# A product that was damaged on the disk is made again by the same command.
onerror:
    for line in driver.after_failure(Path(RESULTS)):
        logger.warning(f"cisweep: {line}")


rule all:
    """All products of the run that the config asks for."""
    default_target: True
    input:
        PLAN.products(),
        f"{RESULTS}/dropped_regions.tsv",
        f"{RESULTS}/provenance.json",
