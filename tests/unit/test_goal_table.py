"""Goals of designs from a TSV: which region gets which, and what a wrong row says."""

import pytest

from cisweep.steps.design import DesignConfig

HEAD = "region\tmodel\ttarget\tkind\tvalue\tweight\ttolerance\tgoal\n"


@pytest.fixture
def table(tmp_path):
    def write(text: str, head: str = HEAD):
        path = tmp_path / "goals.tsv"
        path.write_text(head + text)
        return path

    return write


def test_rows_of_a_region_and_a_name_hold_together(table):
    path = table(
        "# a comment\n"
        "r0\ta\tctcf\tvalue\t7\t2\t1\tstrong\n"
        "r0\ta\tpu1\tkeep\t\t\t1\tstrong\n"
        "r0\ta\tctcf\tminimise\t-1\t\t\tweak\n"
        "peak-1\tb\tctcf\tchange\t3\t.\t\tstrong\n"
        "*\ta\tpu1\tmaximise\t\t\t\tall\n"
    )
    step = DesignConfig(goals_table=path)
    assert step.goals_of("r0") == ["strong_r0", "weak_r0", "all"]
    assert step.goals_of("peak-1") == ["strong_peak_1", "all"]
    assert step.goals_of("other") == ["all"]
    strong, keep = step.goals["strong_r0"]
    assert (strong.kind, strong.value, strong.weight, strong.tolerance) == ("value", 7.0, 2.0, 1.0)
    assert (keep.kind, keep.value, keep.weight) == ("keep", None, 1.0)
    assert step.oracles == ["a", "b"]


def test_a_table_adds_to_the_goals_of_the_config(table):
    path = table("r0\ta\tctcf\tminimise\n", "region\tmodel\ttarget\tkind\n")
    goals = {"high": [{"model": "a", "target": "ctcf", "kind": "maximise"}]}
    step = DesignConfig(goals=goals, goals_table=path)
    assert step.goals_of("r0") == ["high", "goal_r0"]
    assert step.goals_of("r1") == ["high"]
    chosen = DesignConfig(goals=goals, goals_table=path, region_goals={"r0": [], "*": []})
    assert chosen.goals_of("r0") == ["goal_r0"]
    assert chosen.goals_of("r1") == []


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        ("", HEAD, "a row for each goal"),
        ("r0\ta\tctcf\n", "region\tmodel\ttarget\n", "line 1: the columns are region, model"),
        ("r0\ta\tctcf\tkeep\t1\n", "region\tmodel\ttarget\tkind\tvalu\n", "columns are"),
        ("r0\ta\tctcf\tkeep\n", HEAD, "line 2: 4 columns, the first row has 8"),
        ("r0\ta\t\tkeep\t\t\t\t\n", HEAD, "line 2: region, model, target, kind must not be empty"),
        ("r0\ta\tctcf\tvalue\tmuch\t\t\t\n", HEAD, "line 2: value 'much' is not a number"),
        ("r0\ta\tctcf\tvalue\t\t\t\t\n", HEAD, "line 2: a goal of kind value needs a value"),
        (
            "r 0\ta\tt\tkeep\t\t\t\t\nr-0\ta\tt\tkeep\t\t\t\t\n",
            HEAD,
            "would share the name goal_r_0",
        ),
        ("r0\ta\tt\tlouder\t\t\t\t\n", HEAD, "value', 'change', 'keep'"),
        ("r0\ta\tt\tkeep\t\t\t\t\nr0\ta\tt\tmaximise\t\t\t\t\n", HEAD, "contradict each other"),
    ],
)
def test_wrong_tables_are_named(table, rows, head, message):
    with pytest.raises(ValueError, match=message):
        DesignConfig(goals_table=table(rows, head))


def test_a_missing_table_and_a_name_in_both_places_are_named(tmp_path, table):
    with pytest.raises(ValueError, match="no such file"):
        DesignConfig(goals_table=tmp_path / "none.tsv")
    path = table("*\ta\tctcf\tkeep\t\t\t\thigh\n")
    goals = {"high": [{"model": "a", "target": "ctcf", "kind": "maximise"}]}
    with pytest.raises(ValueError, match="high is given in goals and in"):
        DesignConfig(goals=goals, goals_table=path)
