"""What a design's windows bring along: priors, usual composition, and faults that name a place."""

from pathlib import Path

import numpy as np
import pytest

from cisweep.errors import ConfigError
from cisweep.plan.contents.design import (
    design_tokens,
    design_windows,
    prior_weights,
    usual_tokens,
)
from cisweep.plan.plan import Plan

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "workflow" / "resources" / "models" / "ctcf_pu1.yaml"
GENOME = ROOT / "workflow" / "resources" / "genome" / "chr20_0_1Mb.fa.gz"


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "design.bed").write_text("chr20\t500000\t500200\ta\nchr20\t600000\t600200\tb\n")

    def make(**options) -> Plan:
        files = {k: tmp_path / k for k, v in options.items() if k in ("priors", "composition")}
        for key, path in files.items():
            path.write_text(options[key])
        goals = {"up": [{"model": "m", "target": "ctcf", "kind": "maximise"}]}
        step = {"regions": str(tmp_path / "design.bed"), "goals": goals} | options
        return Plan.from_config(
            {
                "run": "r", "genome": {"fasta": str(GENOME)},
                "regions": {"tile": {"stride_bp": 1000}}, "models": {"m": str(MODEL)},
                "steps": {"design": step | {k: str(p) for k, p in files.items()}},
            },
            ROOT,
        )  # fmt: skip

    return make


def test_priors_are_added_where_they_lie(plan):
    text = "# chrom start end base weight\nchr20\t500010\t500012\tG\t2.5\n"
    text += "chr20\t499000\t500001\t*\t-inf\nchr20\t600150\t700000\tA\t-1\nchr1\t0\t9\tA\t1\n"
    made = plan(priors=text)
    windows, _ = design_windows(made)
    weights, tokens = prior_weights(made, windows), design_tokens(made, windows)
    expected = np.zeros((2, 4, 200), np.float32)
    expected[0, 2, 10:12] = 2.5
    expected[0, :, 0] = [0 if b == tokens[0, 0] else -np.inf for b in range(4)]
    expected[1, 0, 150:] = -1
    assert np.array_equal(weights, expected)
    assert prior_weights(plan(), windows) is None


@pytest.mark.parametrize(
    "row", ["chr20\t5\t9\tA", "chr20\t5\tx\tA\t1", "chr20\t9\t5\tA\t1", "chr20\t5\t9\tU\t1",
            "chr20\t5\t9\tA\tinf", "chr20\t5\t9\tA\tnan"]
)  # fmt: skip
def test_a_wrong_prior_is_named(plan, row):
    made = plan(priors=f"\n{row}\n")
    with pytest.raises(ConfigError, match="is not a prior") as error:
        prior_weights(made, design_windows(made)[0])
    assert "line 2" in str(error.value)


def test_usual_windows_are_those_of_the_file_or_of_the_genome(plan):
    made = plan()
    windows, _ = design_windows(made)
    tiled = usual_tokens(made, windows, 100)
    assert tiled.shape == (100, 200) and ((tiled == 4).mean(1) <= 0.1).all()
    assert len(np.unique(tiled, axis=0)) == 100
    rows = "".join(f"chr20\t{s}\t{s + 50}\n" for s in range(100_000, 900_000, 1000))
    found = usual_tokens(plan(composition=rows), windows, 64)
    assert found.shape == (64, 200)
    at = made.source.tokens("chr20", 100_000 - 75, 100_000 + 125)
    assert np.array_equal(found[0], at)


def test_regions_without_goals_and_missing_files_are_named(plan, tmp_path):
    with pytest.raises(ConfigError, match="no goals for 1 region.*the first is 'b'"):
        design_windows(plan(region_goals={"a": ["up"], "*": []}))
    with pytest.raises(ConfigError, match="no region is named c"):
        design_windows(plan(region_goals={"c": ["up"]}))
    made = plan(priors="chr20\t1\t2\tA\t1")
    (tmp_path / "priors").unlink()
    assert [key for key, _ in made.missing_files()] == ["steps.design.priors"]
