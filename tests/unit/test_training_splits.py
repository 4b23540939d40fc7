import numpy as np
import pytest

from cisweep.errors import TrainingError
from cisweep.train.data.splitting import (
    Split,
    check_leak,
    near_duplicate_groups,
    split,
    split_regions,
    without_leaks,
)


def test_random_split_has_the_asked_sizes_and_no_row_twice():
    parts = split(1000, validation=0.16, test=0.2, random_state=3)
    assert parts.sizes() == {"train": 640, "validation": 160, "test": 200}
    together = np.concatenate([parts.train, parts.validation, parts.test])
    np.testing.assert_array_equal(np.sort(together), np.arange(1000))
    again = split(1000, validation=0.16, test=0.2, random_state=3)
    np.testing.assert_array_equal(parts.test, again.test)
    other = split(1000, validation=0.16, test=0.2, random_state=4)
    assert not np.array_equal(parts.test, other.test)


def test_groups_stay_together_and_lists_are_obeyed():
    groups = np.repeat(np.arange(100), np.arange(1, 101))
    parts = split(len(groups), groups=groups, validation=0.1, test=0.2)
    sets = [set(groups[getattr(parts, p)]) for p in ("train", "validation", "test")]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])
    # The nearest total is off by half of a group at most, and the largest has 100 rows.
    assert len(parts.test) == pytest.approx(0.2 * len(groups), abs=50)
    chroms = np.array(["chr1", "chr2", "chr3"] * 4)
    parts = split(12, groups=chroms, validation=["chr2"], test=["chr3"])
    assert set(chroms[parts.train]) == {"chr1"} and set(chroms[parts.test]) == {"chr3"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": ["a"] * 3}, "3 group labels for 4 rows"),
        ({"groups": list("aabb"), "test": ["z"]}, r"test names \['z'\], which no row has"),
        ({"groups": list("abcd"), "validation": ["a"], "test": ["a"]}, "in validation and in test"),
        ({"validation": 1.5}, "a fraction between 0 and 1"),
        ({"validation": 0.001}, "leaves no row for validation"),
    ],
)
def test_impossible_splits(arguments, message):
    with pytest.raises(TrainingError, match=message):
        split(4, **arguments)


def test_windows_on_a_border_belong_to_the_held_out_part():
    start = np.array([0, 50, 99, 100, 300])
    chrom = np.array(["chr1"] * 5)
    parts = split_regions(
        chrom, start, start + 10, validation=["chr1:105-200"], test=["chr1:0-100"]
    )
    np.testing.assert_array_equal(parts.test, [0, 1, 2])
    np.testing.assert_array_equal(parts.validation, [3])
    np.testing.assert_array_equal(parts.train, [4])
    with pytest.raises(TrainingError, match="not a stretch"):
        split_regions(chrom, start, start + 10, validation=["chr1:x"], test=["chr1"])


def test_near_duplicates_are_joined_in_spite_of_mutations_and_flanks():
    generator = np.random.default_rng(0)
    parents = generator.integers(0, 4, (30, 80), dtype=np.uint8)
    families = np.repeat(np.arange(30), 4)
    rows = parents[families].copy()
    for row in range(len(rows)):
        places = generator.choice(80, 3, replace=False)
        rows[row, places] = (rows[row, places] + 1) % 4
    flank = np.tile(np.array([0, 1, 2, 3] * 5, np.uint8), (len(rows), 1))
    groups = near_duplicate_groups(np.concatenate([flank, rows, flank], axis=1), k=16)
    same = groups[:, None] == groups
    np.testing.assert_array_equal(same, families[:, None] == families)


def test_near_duplicates_against_brute_force():
    generator = np.random.default_rng(7)
    tokens = generator.integers(0, 5, (15, 30), dtype=np.uint8)
    tokens[3, 5:20], tokens[9, 10:25] = tokens[1, :15], tokens[3, 2:17]
    words = [{tuple(t[i : i + 6]) for i in range(25) if 4 not in t[i : i + 6]} for t in tokens]
    label = list(range(15))
    for i in range(15):
        for j in range(15):
            if words[i] & words[j]:
                label = [label[i] if x == label[j] else x for x in label]
    groups = near_duplicate_groups(tokens, k=6, max_share=1.0)
    same = groups[:, None] == groups
    expected = np.equal.outer(label, label)
    np.testing.assert_array_equal(same, expected)


def test_leaks_are_found_and_removed():
    tokens = np.array([[0, 1], [2, 3], [0, 1], [1, 1]], np.uint8)
    parts = Split(np.array([0, 1]), np.array([3]), np.array([2]))
    with pytest.raises(TrainingError, match="leaking split: 1 .*row 0 equals row 2.*near_dupl"):
        check_leak(tokens, parts)
    clean, pairs = without_leaks(tokens, parts)
    assert pairs == [(0, 2)]
    np.testing.assert_array_equal(clean.train, [1])
    check_leak(tokens, clean)
