from dataclasses import replace

import numpy as np
import pytest

from cisweep.errors import TrainingError
from cisweep.train.data.splitting import (
    Split,
    check_leak,
    near_duplicate_groups,
    split,
    split_regions,
    touches,
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


def test_a_window_is_held_out_where_it_shares_a_base_with_a_stretch():
    """By sets of bases, of windows that touch a stretch at neither, one or both of its ends."""
    start = np.arange(80, 220)
    for low, high in ((100, 200), (105, 106), (118, 131)):
        found = touches(f"chr1:{low}-{high}", np.full(140, "chr1"), start, start + 20)
        shared = [bool({*range(s, s + 20)} & {*range(low, high)}) for s in start]
        assert found.tolist() == shared
    assert touches("chr1", np.array(["chr1", "chr11"]), start[:2], start[:2] + 20).tolist() == [
        True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("n", [2, 6, 19, 20, 39, 60])
def test_two_copies_are_joined_among_few_rows_too(n):
    """In a table of few rows a pair of copies is more than `max_share` of it."""
    tokens = np.random.default_rng(n).integers(0, 4, (n, 40), dtype=np.uint8)
    tokens[1, 5:35] = tokens[0, 5:35]
    groups = near_duplicate_groups(tokens)
    assert groups[0] == groups[1] and len(set(groups)) == n - 1


def test_words_that_many_rows_share_and_flanks_join_nothing():
    tokens = np.random.default_rng(0).integers(0, 4, (100, 60), dtype=np.uint8)
    tokens[:7, 30:55] = tokens[0, 30:55]  # a word of seven rows, at 0.05 of five at most
    # Beside it N: else two rows of the seven share the base beside it by chance, and so a k-mer.
    tokens[:7, [29, 55]] = 4
    assert len(set(near_duplicate_groups(tokens))) == 100
    assert len(set(near_duplicate_groups(tokens, max_share=0.07))) == 94
    # One base in more than nine of ten rows is a flank; in eight of ten it is none.
    for share, n_groups in ((0.95, 100), (0.8, 21)):
        tokens = np.random.default_rng(1).integers(0, 4, (100, 60), dtype=np.uint8)
        rows = int(100 * share)
        tokens[:rows, 30:55] = tokens[0, 30:55]
        tokens[:, [29, 55]] = 4
        assert len(set(near_duplicate_groups(tokens, max_share=1.0))) == n_groups


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
    assert without_leaks(tokens, replace(parts, validation=parts.test, test=np.array([3])))[1]
