"""What a chunk's key sees: each edit changes the keys of the chunks that it touches, no others."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from cisweep.plan import plan as plan_module
from cisweep.plan.contents.design import design_chunks, design_key, designs_key
from cisweep.plan.contents.ism import IsmRegions
from cisweep.plan.plan import Plan
from cisweep.steps import all_steps

WINDOW = 200  # of the demo's model


@pytest.fixture
def genome(tmp_path) -> Path:
    """A genome of one chromosome of 4,000 bp."""
    path = tmp_path / "g.fa"
    path.write_text(">c\n" + "ACGT" * 1000 + "\n")
    Path(f"{path}.fai").write_text("c\t4000\t3\t4000\t4001\n")
    return path


def plan(root: Path, genome: Path, **changes) -> Plan:
    data = yaml.safe_load((root / "config" / "demo.yaml").read_text()) | {
        "genome": {"fasta": str(genome)},
        "regions": {"tile": {"stride_bp": 50}, "blacklist": [str(genome.parent / "black.bed")]},
        "chunk_bp": 1000,
        "steps": {"predict": {}},
    }
    return Plan.from_config(data | changes, root)


def bed(genome: Path, name: str, *rows: tuple) -> Path:
    path = genome.parent / name
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def changed(before: dict, after: dict) -> set:
    assert before.keys() == after.keys()
    return {chunk for chunk in before if before[chunk] != after[chunk]}


@pytest.mark.parametrize(
    ("row", "touched"),
    [
        (("c", 1500, 1510), {"c000001"}),
        (("c", 2950, 3000), {"c000002", "c000003"}),
        (("c", 1000, 1001), {"c000000", "c000001"}),
        (("other", 10, 20), set()),
    ],
)
def test_a_blacklist_of_tiles_changes_the_chunks_that_it_touches(root, genome, row, touched):
    def keys(*rows):
        bed(genome, "black.bed", *rows)
        made = plan(root, genome)
        return {c: made.chunk_key("ctcf_pu1", c) for c in made.chunks("ctcf_pu1")}

    far = ("c", 100, 110)
    before, after = keys(far), keys(far, row)
    assert changed(before, after) == touched
    # And it does change what those chunks hold.
    windows = {c: plan(root, genome).windows("ctcf_pu1", c)[0].keys() for c in before}
    bed(genome, "black.bed", far)
    others = {c: plan(root, genome).windows("ctcf_pu1", c)[0].keys() for c in before}
    assert changed(windows, others) <= touched


def test_a_chunk_and_those_beside_it_hold_all_windows_that_reach_into_it(root, genome):
    bed(genome, "black.bed", ("other", 1, 2))
    made = plan(root, genome)
    windows = {c: made.windows("ctcf_pu1", c)[0] for c in made.chunks("ctcf_pu1")}
    assert len(windows) == 4
    for i, chunk in enumerate(windows):
        inside = [
            key
            for part in windows.values()
            for key, start, end in zip(part.keys(), part.start, part.end)
            if start < 1000 * (i + 1) and end > 1000 * i
        ]
        near = made.neighbours("ctcf_pu1", chunk)
        assert near == list(windows)[max(i - 1, 0) : i + 2]
        assert set(inside) <= {key for c in near for key in windows[c].keys()}  # noqa: SIM118


@pytest.mark.parametrize("kind", ["tile", "bed"])
def test_windows_between_have_their_centre_from_the_first_base_to_before_the_last(
    root, genome, kind
):
    rows = bed(genome, "r.bed", *(("c", start, start + 200) for start in (850, 900, 950, 1000)))
    regions = {"tile": {"stride_bp": 50}} if kind == "tile" else {"bed": str(rows)}
    found = plan(root, genome, regions=regions).windows_between("ctcf_pu1", "c", 1000, 1100)
    assert found.centre.tolist() == [1000, 1050]


def test_a_key_sees_how_regions_become_windows(root, genome):
    bed(genome, "black.bed", ("other", 1, 2))
    rows = bed(genome, "r.bed", *((("c", 10 * i, 10 * i + 200, f"n{i}")) for i in range(5)))
    named = bed(genome, "n.bed", *((("c", 10 * i, 10 * i + 200, f"m{i}")) for i in range(5)))

    def key(**regions):
        return plan(root, genome, regions=regions).chunk_key("ctcf_pu1", "c000000")

    tiles, given = {"tile": {"stride_bp": 50}}, {"bed": str(rows)}
    for usual, changes in (
        (tiles, ({"tile": {"stride_bp": 40}}, {"edge": "pad"}, {"max_n": 0.2})),
        (given, ({"bed": str(named)}, {"max_n": 0.2})),
    ):
        assert key(**usual) == key(**usual)
        for change in changes:
            assert key(**usual | change) != key(**usual), change


def test_the_hash_of_all_regions_sees_the_blacklist(root, genome):
    bed(genome, "black.bed", ("c", 100, 110))
    before = plan(root, genome).regions_hash
    bed(genome, "black.bed", ("c", 100, 120))
    assert plan(root, genome).regions_hash != before


def test_a_row_that_gets_no_window_changes_the_chunk_that_tells_it(root, genome):
    bed(genome, "black.bed", ("c", 3990, 4000))

    def keys(*rows):
        chosen = bed(genome, "ism.bed", *rows)
        made = IsmRegions(plan(root, genome, steps={"predict": {}, "ism": {"bed": str(chosen)}}))
        return {c: made.key("ctcf_pu1", c) for c in made.chunks("ctcf_pu1")}

    rows = [("c", 400, 500), ("c", 1400, 1500)]
    assert changed(keys(*rows), keys(*rows, ("c", 0, 10))) == {"c000000"}
    assert changed(keys(*rows), keys(rows[0], ("c", 1401, 1501))) == {"c000001"}


def test_a_changed_region_or_goal_of_a_design_redoes_its_chunk_alone(root, genome):
    bed(genome, "black.bed", ("c", 3990, 4000))
    goal = {"model": "ctcf_pu1", "target": "ctcf", "kind": "maximise"}

    def keys(rows, **options):
        chosen = bed(genome, "design.bed", *rows)
        step = {"regions": str(chosen), "goals": {"up": [goal]}} | options
        made = plan(root, genome, steps={"design": step}, motifs=None)
        return {c: design_key(made, c) for c in design_chunks(made)} | {
            "all": designs_key(made), "step": made.settings("design")
        }  # fmt: skip

    rows = [("c", 400, 500, "a"), ("c", 1400, 1500, "b")]
    before = keys(rows)
    assert changed(before, keys([rows[0], ("c", 1410, 1510, "b")])) == {"c000001", "all"}
    assert changed(before, keys([*rows, ("c", 0, 10, "gone")])) == {"all"}
    two = {"up": [goal], "down": [goal | {"kind": "minimise"}]}
    own = {"b": ["down"], "*": ["up"]}
    assert changed(before, keys(rows, goals=two, region_goals=own)) == {"c000001", "all"}


def test_the_written_config_has_a_hash_of_its_own(root, genome):
    bed(genome, "black.bed", ("c", 3990, 4000))
    before, after = plan(root, genome), plan(root, genome, chunk_bp=2000)
    assert before.config_hash == after.config_hash and before.written_hash != after.written_hash


def test_precision_counts_where_it_changes_numbers(root, genome):
    """TF32 has ten bits of a number; a processor knows no TF32."""
    bed(genome, "black.bed")
    keys = {
        (device, tf32): plan(root, genome, device=device, tf32=tf32).settings("predict", "ctcf_pu1")
        for device in ("cpu", "cuda", "cuda:1")
        for tf32 in (False, True)
    }
    rounded = {keys["cuda", True], keys["cuda:1", True]}
    assert len(rounded) == 1
    assert {key for where, key in keys.items() if where[0] == "cpu" or not where[1]} == {
        keys["cpu", False]
    }
    assert rounded != {keys["cpu", False]}


def test_a_step_s_version_counts(root, genome, monkeypatch):
    """It is raised when results change, and only the step's own results are made again."""
    bed(genome, "black.bed")
    made = plan(root, genome, steps={"predict": {}, "attribute": {}})
    before = {step: made.settings(step, "ctcf_pu1") for step in ("predict", "attribute")}
    declared = all_steps()
    raised = replace(declared["predict"], version=declared["predict"].version + 1)
    monkeypatch.setitem(declared, "predict", raised)
    after = {step: made.settings(step, "ctcf_pu1") for step in ("predict", "attribute")}
    assert changed(before, after) == {"predict"}


def test_a_run_without_any_region_has_one_empty_chunk(root, genome):
    rows = bed(genome, "regions.bed", ("c", 100, 300))
    regions = {"bed": str(rows), "chroms": "none", "max_dropped": 1.0}
    made = plan(root, genome, regions=regions)
    assert made.chunks("ctcf_pu1") == ["c000000"]
    assert [len(part) for part in made.windows("ctcf_pu1", "c000000")] == [0, 0]
    assert made.chunk_key("ctcf_pu1", "c000000") and len(made.dropped("ctcf_pu1")) == 1


def test_only_jobs_of_regions_read_them(root, genome, monkeypatch):
    """A job of tracks or figures is planned without the BED, however long it is."""
    path = bed(genome, "r.bed", ("c", 1500, 1510), ("c", 2500, 2510))
    bed(genome, "black.bed", ("c", 1, 2))
    read, bed_of = [], plan_module.read_bed
    monkeypatch.setattr(plan_module, "read_bed", lambda path: read.append(path) or bed_of(path))
    made = plan(root, genome, regions={"bed": str(path)})
    made.products(), made.config_hash, made.settings("predict", "ctcf_pu1")
    assert read == []
    made.chunk_key("ctcf_pu1", "c000001"), made.regions_hash, made.regions_hash
    assert read == [path]


def test_no_rule_asks_for_the_regions_before_its_jobs_are_planned(root):
    """What stands in a rule without a function is worked out by each job of every rule."""
    rules = "".join(path.read_text() for path in (root / "workflow/rules").glob("*.smk"))
    assert "=PLAN.regions_hash" not in rules and "=PLAN.config_hash" not in rules
