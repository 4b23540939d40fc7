"""cisweep: sequence-to-function models of DNA, swept across a genome.

Configuration: config/README.md; config/config.yaml is a template, config/demo.yaml the demo.
"""

from snakemake.utils import min_version

min_version("9.25")


# The demo runs where nobody gave a config: no --configfile, and no configfile: or module: of a
# caller. --config alone changes keys of the demo. Jobs get the same arguments and see the same.
if not workflow.configfiles and config == workflow.config_settings.overwrite_config:

    configfile: f"{workflow.current_basedir}/config/demo.yaml"


report: "workflow/report/workflow.rst"


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
include: "workflow/rules/backgrounds.smk"
include: "workflow/rules/marginalize.smk"
include: "workflow/rules/ablate.smk"
include: "workflow/rules/space.smk"
include: "workflow/rules/design.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/upload.smk"


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
        [f"{RESULTS}/{model}/targets.tsv" for model in PLAN.models],
        f"{RESULTS}/dropped_regions.tsv",
        f"{RESULTS}/provenance.json",
        uploaded(),
