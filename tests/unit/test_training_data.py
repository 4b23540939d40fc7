import numpy as np
import pytest

from cisweep.errors import TrainingError
from cisweep.sequence.tokens import reverse_complement_tokens, tokenize
from cisweep.train.data.datasets import SignalDataset, TableDataset
from cisweep.train.data.tables import TableColumns, all_kmers, check_labels, read_table


def test_batches_are_one_hot_with_empty_n():
    data = TableDataset(tokenize(["ACGTN", "TTTTT"]), np.zeros((2, 1), np.float32))
    one_hot = data.batch(np.array([0, 1])).one_hot().numpy()
    expected = np.zeros((4, 5))
    expected[np.arange(4), np.arange(4)] = 1
    np.testing.assert_array_equal(one_hot[0], expected)
    assert one_hot.shape == (2, 4, 5)


def test_table_augmentation_draws_from_its_generator_only():
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 4, (64, 24), dtype=np.uint8)
    values = np.arange(64, dtype=np.float32)[:, None]
    data = TableDataset(tokens, values, reverse_complement=True, jitter_bp=2)
    rows = np.arange(64)
    plain = data.batch(rows).tokens.numpy()
    np.testing.assert_array_equal(plain, tokens[:, 2:22])
    one = data.batch(rows, np.random.default_rng(5)).tokens.numpy()
    np.testing.assert_array_equal(one, data.batch(rows, np.random.default_rng(5)).tokens.numpy())
    # Every drawn window is a stretch of its sequence, on either strand.
    flipped = 0
    for row, window in zip(tokens, one):
        stretches = {tuple(row[o : o + 20]) for o in range(5)}
        other = tuple(reverse_complement_tokens(window))
        assert tuple(window) in stretches or other in stretches
        flipped += other in stretches
    assert 16 < flipped < 48  # four standard deviations of 64 coins about 32
    np.testing.assert_array_equal(tokens, data.tokens)


def test_negatives_are_drawn_anew_each_epoch():
    values = np.zeros((100, 2), np.float32)
    values[:10, 0] = 1
    data = TableDataset(np.zeros((100, 4), np.uint8), values, negative_ratio=2.0)
    first, second = (data.epoch_rows(np.random.default_rng(s)) for s in (1, 2))
    assert set(range(10)) <= set(first) and len(first) == 30
    assert set(first) != set(second)


def signal_data(**more):
    generator = np.random.default_rng(3)
    tokens = generator.integers(0, 4, (40, 20), dtype=np.uint8)
    signal = generator.random((40, 2, 12)).astype(np.float32)
    controls = generator.random((40, 2, 20)).astype(np.float32)
    return SignalDataset(tokens, signal, np.arange(40) < 30, controls, jitter_bp=3, **more)


def test_signal_and_sequence_move_and_turn_together():
    data = signal_data(reverse_complement=True)
    rows = np.arange(40)
    batch = data.batch(rows, np.random.default_rng(1))
    moved = 0
    for i in rows:
        tokens, counts = batch.tokens[i].numpy(), batch.targets["counts"][i].numpy()
        control = batch.inputs[0][i].numpy()
        options = []
        for o in range(7) if data.is_peak[i] else [3]:
            t, s, c = (
                a[i][..., o : o + n]
                for a, n in ((data.tokens, 14), (data.signal, 6), (data.controls, 14))
            )
            options += [
                (o, t, s, c),
                (o, reverse_complement_tokens(t), s[::-1, ::-1], c[::-1, ::-1]),
            ]
        match = [
            o
            for o, t, s, c in options
            if np.array_equal(t, tokens)
            and np.array_equal(s, counts)
            and np.array_equal(c, control)
        ]
        assert len(match) == 1
        moved += match[0] != 3
    assert (
        moved > 15
    )  # six of seven offsets move one of 30 peaks: 26, five standard deviations less


def test_signal_without_a_generator_is_the_centre():
    data = signal_data(reverse_complement=True)
    batch = data.batch(np.array([4]))
    np.testing.assert_array_equal(batch.tokens[0], data.tokens[4, 3:17])
    np.testing.assert_array_equal(batch.targets["counts"][0], data.signal[4, :, 3:9])


def test_negatives_share_of_an_epoch():
    rows = signal_data(negative_ratio=0.2).epoch_rows(np.random.default_rng(0))
    assert len(rows) == 36 and set(range(30)) <= set(rows)


def test_strand_swap_must_be_a_permutation():
    with pytest.raises(TrainingError, match=r"strand_swap \(0, 0\) is not a permutation of 2"):
        signal_data(reverse_complement=True, strand_swap=(0, 0))


def test_empty_data_sets_are_refused():
    with pytest.raises(TrainingError, match="no rows"):
        TableDataset(np.zeros((0, 4), np.uint8), np.zeros((0, 1)))
    with pytest.raises(TrainingError, match="3 sequences and 2 rows"):
        TableDataset(np.zeros((3, 4), np.uint8), np.zeros((2, 1)))


def test_kmer_scores_by_brute_force():
    tokens, scores = all_kmers(5, {"A": 20, "C": 17, "G": 14, "T": 11}, {"TAT": 10, "GCG": -10})
    assert len(np.unique(tokens, axis=0)) == 4**5
    for row in range(0, 1024, 7):
        text = "".join("ACGT"[t] for t in tokens[row])
        expected = np.mean([{"A": 20, "C": 17, "G": 14, "T": 11}[c] for c in text])
        expected += 10 * ("TAT" in text) - 10 * ("GCG" in text)
        assert scores[row] == pytest.approx(expected)


def write(tmp_path, text, name="table.tsv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_tables_are_read_with_missing_values_groups_and_padding(tmp_path):
    path = write(tmp_path, "sequence\ty\tz\tgroup\nACGT\t1.5\t\ta\nAC\t2\t-3\tb\n")
    table = read_table([path, path], TableColumns(["y", "z"], labels=("group",)))
    np.testing.assert_array_equal(table.tokens[:2], [[0, 1, 2, 3], [4, 0, 1, 4]])
    np.testing.assert_array_equal(table.values[:2], [[1.5, np.nan], [2, -3]])
    assert table.labels["group"].tolist() == ["a", "b"] * 2 and table.padded == 2


def test_fasta_beside_values(tmp_path):
    fasta = write(tmp_path, ">s1\nACGT\n>s2\nTTTT\n", "s.fa")
    path = write(tmp_path, "name,y\ns2,1\ns1,2\n", "values.csv")
    table = read_table([path], TableColumns(["y"], fasta=fasta))
    np.testing.assert_array_equal(table.tokens, [[3, 3, 3, 3], [0, 1, 2, 3]])
    bad = write(tmp_path, "name,y\ns3,1\n", "bad.csv")
    with pytest.raises(TrainingError, match="1 rows name sequences .* first 's3'"):
        read_table([bad], TableColumns(["y"], fasta=fasta))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sequence\tx\nACGT\t1\n", "no column y.*the header has sequence, x"),
        ("sequence\ty\n", "the table has no rows"),
        ("sequence\ty\nACGT\t1\nACGT\thigh\n", r"table.tsv, row 3: 1 values of column 'y'.*'high'"),
        ("sequence\ty\nACGT\tinf\n", "are not numbers, first 'inf'"),
        ("sequence\ty\nACGT\t1\nACZT\t1\n", r"row 3: 'Z' is not a letter.*position 2"),
    ],
)
def test_bad_tables_say_what_and_where(tmp_path, text, message):
    with pytest.raises(TrainingError, match=message):
        read_table([write(tmp_path, text)], TableColumns(["y"]))


def test_missing_table(tmp_path):
    with pytest.raises(TrainingError, match="no such file"):
        read_table([tmp_path / "none.tsv"], TableColumns(["y"]))


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        ([1, 1, 1], "multilabel", "one class only"),
        ([0, 2, 1], "multilabel", "a label is 2"),
        ([3, 3, 3], "regression", "one value only"),
        ([0, 0, 0], "multiclass", "one class only"),
    ],
)
def test_labels_that_cannot_be_learned(values, task, message):
    with pytest.raises(TrainingError, match=message):
        check_labels(np.array(values, np.float32)[:, None], np.arange(3), ["y"], task)
