"""What profiles/slurm/config.yaml says of the rules is what the rules are."""

import re

import pytest


@pytest.fixture(scope="module")
def rules(root) -> dict[str, str]:
    """Name of each rule -> its text."""
    found = {}
    for path in sorted((root / "workflow" / "rules").glob("*.smk")):
        # Rules of several targets are made in a loop, which names them.
        begin = r"^(?=rule |for rule_name, )"
        for part in re.split(begin, path.read_text(), flags=re.M)[1:]:
            one = part.startswith("rule ")
            name = part[5:].partition(":")[0] if one else re.search(r'"(\w+)"\):', part)[1]
            found[name] = part
    assert len(found) > 40
    return found


def test_the_rules_of_the_device_are_those_that_ask_for_it(root, rules):
    profile = (root / "profiles" / "slurm" / "config.yaml").read_text()
    listed = re.search(r"# Rules that use the device: ([^.]*)\.", profile)[1]
    named = [name.strip(" #\n") for name in listed.split(",")]
    assert named == sorted(n for n, text in rules.items() if "gpu=device_resources()" in text)


def test_a_rule_asks_for_the_device_if_its_script_takes_it(root, rules):
    for name, text in rules.items():
        script = re.search(r'script:\s+"\.\./\.\./scripts/(\w+\.py)"', text)
        takes = script is not None and re.search(
            r"job\.device\(", (root / "scripts" / script[1]).read_text()
        )
        assert bool(takes) == ("gpu=device_resources()" in text), name


def test_the_examples_of_the_profile_name_rules(root, rules):
    profile = (root / "profiles" / "slurm" / "config.yaml").read_text()
    named = re.findall(r"^#   (\w+): +\{", profile, flags=re.M)
    assert len(named) > 2 and set(named) <= set(rules)


LIGHT = {
    "predict_track", "attribute_track", "attribute_export",
    "ism_regions", "ism_track", "ism_figure", "seqlets_null_size", "dropped_regions",
    "report_browser", "report_page", "variants_wide",
}  # fmt: skip
"""Rules that are done within seconds where a run is small."""


def test_what_takes_seconds_is_made_beside_the_driver_of_a_small_run(root, rules):
    local = {name for name, text in rules.items() if "localrule: IS_SMALL" in text}
    assert local == LIGHT
    # And nothing is, at whatever size.
    assert not [name for name, text in rules.items() if "localrule: True" in text]
    # A job in the queue must not find that it should not be there.
    common = (root / "workflow" / "rules" / "common.smk").read_text()
    assert "IS_SMALL = workflow.is_main_process and is_small(PLAN)\n" in common
