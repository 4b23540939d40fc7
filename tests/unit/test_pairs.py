"""Attributions of wanted pairs of a window and a target, and the files of such pairs."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from dense_attributions import Dense, write_chunk
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import (
    attribute,
    attribute_along_path,
    attribute_by_gradient,
)
from cisweep.analysis.attribution.references import shuffled_pairs, shuffled_windows
from cisweep.analysis.mutagenesis.windows import attribute_by_mutagenesis
from cisweep.analysis.seqlets.fdr import NullSize
from cisweep.contracts import Windows
from cisweep.errors import AttributionError, ProductError
from cisweep.outputs import pairs
from cisweep.outputs.attributions import AttributionParts, AttributionWriter, write_null
from cisweep.outputs.pairs import (
    merge_pairs,
    open_pairs,
    pair_blocks,
    pair_track,
    windows_of_target,
)

N_TARGETS, LENGTH = 5, 40
METHODS = {
    "deep_lift_shap": attribute,
    "path": attribute_along_path,
    "gradient": attribute_by_gradient,
    "ism": attribute_by_mutagenesis,
}


def bases(*shape: int) -> torch.Tensor:
    letters = torch.randint(4, (*shape, LENGTH))
    return nn.functional.one_hot(letters, 4).transpose(-1, -2).float()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(4, 8, 7, padding=3), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(8, 8, 3), nn.GELU(),
        nn.Flatten(), nn.Linear(64, N_TARGETS),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_has_the_same_bytes_whatever_else_is_asked(network, method):
    """Columns of each example against all columns of all, for several blocks of examples."""
    torch.manual_seed(1)
    X, references = bases(11), bases(11, 3)
    columns = torch.stack([torch.randperm(N_TARGETS)[:2] for _ in range(11)])
    own = METHODS[method](network, X, references, columns, batch_size=4)
    every = METHODS[method](network, X, references, list(range(N_TARGETS)), batch_size=4)
    assert own.hypothetical.shape == (2, 11, 4, LENGTH)
    for name in ("hypothetical", "projected", "reference_sd", "deltas", "delta_y"):
        wanted = getattr(every, name)[columns.T, torch.arange(11)]
        torch.testing.assert_close(
            getattr(own, name), wanted, rtol=0, atol=0, equal_nan=True, msg=name
        )


def test_columns_of_a_model_of_something_else_are_an_error(network):
    X, references = bases(2), bases(2, 3)
    columns = torch.zeros(2, 1, dtype=torch.int64)
    two = nn.Sequential(nn.Conv1d(4, 3, 5))
    with pytest.raises(AttributionError, match=r"returned shape \(.*\) for .* windows, not"):
        attribute(two, X, references, columns)


class WrongForward(nn.Module):
    """Gives other outputs while its calls are followed: its second target alone."""

    def __init__(self, network):
        super().__init__()
        self.network, self.calls = network, 0

    def forward(self, X):
        self.calls += 1
        y = self.network(X)
        return y if self.calls > 2 else y + torch.tensor([0.0, 5.0, 0.0, 0.0, 0.0])


def test_the_check_of_the_forward_pass_looks_at_each_rows_own_target(network):
    X, references = bases(4), bases(4, 3)
    sound = torch.tensor([[0], [2], [3], [4]])
    attribute(WrongForward(network), X, references, sound)
    with pytest.raises(AttributionError, match="not that of the model|different outputs"):
        attribute(WrongForward(network), X, references, torch.tensor([[1], [2], [3], [4]]))


# ---- Files ------------------------------------------------------------------------------------

TARGETS = ["a", "L2/3 IT", "none"]


def found_of(n: int, seed: int = 0):
    """Attributions of all pairs, and which of them are wanted: a third, and none of the last."""
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(size=(3, n, *shape)).astype(np.float32)
        for name, shape in (
            ("projected", (LENGTH,)), ("sd", (LENGTH,)), ("fold_sd", (LENGTH,)),
            ("hypothetical", (4, LENGTH)), ("deltas", ()), ("dy", ()),
        )
    }  # fmt: skip
    wanted = rng.random((n, 3)) < [0.3, 0.5, 0.0]
    start = np.arange(n) * 9
    windows = Windows.build(["c"] * n, start, start + LENGTH, ["+"] * n)
    tokens = rng.integers(0, 4, (n, LENGTH)).astype(np.uint8)
    return SimpleNamespace(**arrays), wanted, windows, tokens


def write(path, found, wanted, windows, tokens, rows: slice):
    part = SimpleNamespace(**{name: values[:, rows] for name, values in vars(found).items()})
    own = {i: np.flatnonzero(asked) for i, asked in enumerate(wanted[rows].T)}
    write_chunk(path, windows.take(rows), tokens[rows], TARGETS, part, 20, {"seed": 1}, own)
    return path


@pytest.fixture(scope="module")
def given():
    return found_of(300)


@pytest.mark.parametrize("cuts", [[0, 300], [0, 1, 2, 150, 150, 299, 300], [*range(0, 301, 20)]])
@pytest.mark.parametrize("held", [1 << 28, 40_000, 1])
def test_a_merged_file_has_the_same_bytes_for_any_parts(given, tmp_path, monkeypatch, cuts, held):
    """Whatever the rows are that wait: blocks follow from the columns alone."""
    monkeypatch.setattr(pairs, "HELD_BYTES", held)
    parts = [
        write(tmp_path / f"{i}.h5", *given, slice(a, b))
        for i, (a, b) in enumerate(zip(cuts, cuts[1:]))
    ]
    assert merge_pairs(parts, tmp_path / "merged.h5", TARGETS, {"seed": 1}) == 300
    whole = write(tmp_path / "whole.h5", *given, slice(0, 300))
    merge_pairs([whole], tmp_path / "one.h5", TARGETS, {"seed": 1})
    assert (tmp_path / "merged.h5").read_bytes() == (tmp_path / "one.h5").read_bytes()
    found, wanted, windows, tokens = given
    with open_pairs(tmp_path / "merged.h5") as file:
        assert (file["tokens"][:] == tokens).all()
        for i, target in enumerate(TARGETS):
            rows = np.flatnonzero(wanted[:, i])
            blocks = list(pair_blocks(file, target, ["attributions", "delta"], 7))
            read = np.concatenate([r for r, _ in blocks]) if blocks else np.empty(0)
            assert read.tolist() == rows.tolist()
            for kind, name in (("attributions", "projected"), ("delta", "deltas")):
                values = [v[kind] for _, v in blocks]
                assert not values or (np.concatenate(values) == getattr(found, name)[i][rows]).all()


def test_a_target_is_read_at_its_own_windows(given, tmp_path):
    found, wanted, windows, _ = given
    path = write(tmp_path / "a.h5", *given, slice(0, 300))
    for i, target in enumerate(TARGETS):
        rows = np.flatnonzero(wanted[:, i])
        assert windows_of_target(path, target).keys() == windows.take(rows).keys()
        track = list(pair_track(path, target, "attributions", 32))
        starts = [s for w, _ in track for s in w.start.tolist()]
        assert starts == windows.start[rows].tolist()
        for own, values in track:
            at = np.searchsorted(windows.start, own.start)
            assert (values == found.projected[i][at]).all()
    with AttributionParts([path, path]) as parts:
        rows = np.flatnonzero(wanted[:, 1])
        assert len(parts.windows(TARGETS[1])) == 2 * len(rows)
        twice = np.concatenate([found.projected[1][rows]] * 2)
        n = len(rows)
        assert (parts.projected(TARGETS[1], slice(n - 3, n + 3)) == twice[n - 3 : n + 3]).all()
        assert parts.projected("none", slice(0, 9)).shape == (0, LENGTH)


def test_a_file_of_a_former_layout_is_refused_with_the_mend(tmp_path):
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["schema_version"] = 1
    with pytest.raises(ProductError, match=r"schema version 1; this cisweep .* reads 3.*delete it"):
        open_pairs(tmp_path / "old.h5")


def test_a_null_of_no_block_has_every_target(tmp_path):
    write_null(tmp_path / "null.h5", [], LENGTH, TARGETS, {})
    with open_pairs(tmp_path / "null.h5") as file:
        for target in TARGETS:
            assert list(pair_blocks(file, target, ["attributions"])) == []


def test_what_no_product_declares_is_refused(tmp_path):
    from cisweep.outputs.h5 import Column
    from cisweep.products.attribute import ATTRIBUTIONS

    with pytest.raises(ProductError, match="secret"):
        pairs.PairWriter(
            tmp_path / "a.h5", LENGTH, TARGETS, [Column("secret", (), np.float32)], {}, ATTRIBUTIONS
        )


def test_a_writer_takes_any_blocks(given, tmp_path):
    found, wanted, windows, tokens = given
    paths = []
    for size in (7, 300):
        paths.append(tmp_path / f"{size}.h5")
        with AttributionWriter(paths[-1], LENGTH, TARGETS, 20, {}) as writer:
            for rows in windows.blocks(size):
                part = {name: values[:, rows] for name, values in vars(found).items()}
                own = {i: np.flatnonzero(asked) for i, asked in enumerate(wanted[rows].T)}
                dense = Dense(SimpleNamespace(**part), own)
                writer.append(windows.take(rows), tokens[rows], dense)
    assert paths[0].read_bytes() == paths[1].read_bytes()


# ---- The null of seqlets ----------------------------------------------------------------------


def test_shuffles_are_for_the_targets_of_their_window(given):
    """Each target has the shuffles that it would have alone, and shares them with the others."""
    _, wanted, windows, tokens = given
    sizes = [NullSize(3, 1.0), NullSize(1, 0.5), NullSize(1, 1.0)]
    drawn, shuffled, is_for = shuffled_pairs(windows, tokens, wanted, 4, sizes)
    assert is_for.any(axis=1).all() and not is_for[:, 2].any()
    for i, size in enumerate(sizes):
        rows = np.flatnonzero(wanted[:, i])
        alone, own = shuffled_windows(windows.take(rows), tokens[rows], 4, size)
        mine = is_for[:, i]
        assert drawn.take(np.flatnonzero(mine)).keys() == alone.keys()
        assert (shuffled[mine] == own).all()
    both = wanted[:, 0] & wanted[:, 1]
    assert both.any() and (is_for[:, 0] & is_for[:, 1]).sum() > 0


@pytest.mark.parametrize(
    ("n_targets", "n_windows", "draws"),
    [(1, 40, 20), (2, 1000, 1), (5, 40, 20), (50, 40, 2), (919, 40, 1)],
)
def test_many_targets_share_what_is_shuffled(n_targets, n_windows, draws):
    assert NullSize.of(n_windows, 0.05, 20_000, n_targets).draws == draws
