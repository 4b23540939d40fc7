"""attributions.h5 and what is made of it: summary, export, central bases."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from dense_attributions import Dense, write_chunk

from cisweep.contracts import Windows
from cisweep.errors import AttributionError
from cisweep.outputs.attributions import (
    AttributionParts,
    AttributionWriter,
    central,
    check_complete,
    export_chrombpnet,
    narrowpeak_lines,
    read_hypothetical,
    summarise,
    write_null,
)
from cisweep.outputs.h5 import ROWS_OF_BLOCK

N, L, KEPT = ROWS_OF_BLOCK + 40, 11, 6
TARGETS = ["a", "b"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A chunk of more than one block; the largest delta lies in the first one."""
    rng = np.random.default_rng(0)
    hypothetical = rng.normal(size=(2, N, 4, L)).astype(np.float32)
    hypothetical[:, 3] = 0  # nothing to scale by
    deltas = rng.uniform(0, 0.1, (2, N)).astype(np.float32)
    deltas[0, 5] = 0.5
    found = SimpleNamespace(
        hypothetical=hypothetical, deltas=deltas,
        projected=rng.normal(size=(2, N, L)).astype(np.float32),
        sd=rng.uniform(size=(2, N, L)).astype(np.float32),
        fold_sd=rng.uniform(size=(2, N, L)).astype(np.float32),
        dy=rng.uniform(1, 2, (2, N)).astype(np.float32),
    )  # fmt: skip
    start = np.arange(N) * 7
    strand = np.resize(list("+-."), N)
    windows = Windows.build(["c"] * N, start, start + L, strand, [f"w{i % 3}" for i in range(N)])
    tokens = rng.integers(0, 5, (N, L)).astype(np.uint8)
    path = tmp_path_factory.mktemp("attributions") / "a.h5"
    write_chunk(path, windows, tokens, TARGETS, found, KEPT, {"seed": 3})
    return path, windows, tokens, found


@pytest.mark.parametrize("length", [10, 11])
@pytest.mark.parametrize("kept", [1, 4, 5, 10, 30])
def test_the_central_bases_hold_the_windows_centre_in_their_own(length, kept):
    part = central(length, kept)
    n = min(kept, length)
    assert part.stop - part.start == n and part.start >= 0 and part.stop <= length
    centre = Windows.build(["c"], [0], [length]).centre[0]
    assert part.start + n // 2 == centre


def test_the_file_holds_what_was_found(written):
    path, windows, tokens, found = written
    with AttributionParts([path]) as parts:
        read, rows = parts.windows("a"), slice(0, N)
        assert parts.targets == TARGETS and parts.has_hypothetical
        projected = {t: parts.projected(t, rows) for t in TARGETS}
        hypothetical = {t: parts.hypothetical(t, rows) for t in TARGETS}
    assert read.keys() == windows.keys() and list(read.name) == list(windows.name)
    middle = found.hypothetical[:, :, :, central(L, KEPT)]
    for i, target in enumerate(TARGETS):
        assert (projected[target] == found.projected[i]).all()
        # float16 rounds by up to 2^-11.
        np.testing.assert_allclose(hypothetical[target], middle[i], rtol=2**-11, atol=1e-7)
        with h5py.File(path) as file:
            assert (file[f"attributions_sd/{target}"][:] == found.sd[i]).all()
            assert (file[f"attributions_fold_sd/{target}"][:] == found.fold_sd[i]).all()
            assert (file[f"delta/{target}"][:] == found.deltas[i]).all()
            assert (file[f"delta_y/{target}"][:] == found.dy[i]).all()
            assert file.attrs["seed"] == 3 and (file["tokens"][:] == tokens).all()


@pytest.mark.parametrize(("a", "b"), [(0, 0), (3, 9), (N - 2, N + 3), (N, N), (2 * N - 1, 2 * N)])
def test_rows_of_several_files_are_read_as_one(written, a, b):
    path, windows, _, found = written
    with AttributionParts([path, path]) as parts:
        assert len(parts.windows("b")) == 2 * N
        assert parts.windows("b").start.tolist() == [*windows.start, *windows.start]
        twice = np.concatenate([found.projected[1]] * 2)
        np.testing.assert_array_equal(parts.projected("b", slice(a, b)), twice[a:b])
        letters = parts.hypothetical("b", slice(a, b))
        assert letters.shape == (b - a, 4, KEPT)
        wanted = np.concatenate([found.hypothetical[1][:, :, central(L, KEPT)]] * 2)[a:b]
        np.testing.assert_allclose(letters, wanted, rtol=2**-11, atol=1e-7)


@pytest.mark.parametrize("size", [1, 100, N])
def test_blocks_of_any_size_give_the_bytes_of_the_whole(written, tmp_path, size):
    path, windows, tokens, found = written
    with AttributionWriter(tmp_path / "b.h5", L, TARGETS, KEPT, {"seed": 3}) as writer:
        for rows in windows.blocks(size):
            part = {name: values[:, rows] for name, values in vars(found).items()}
            writer.append(windows.take(rows), tokens[rows], Dense(SimpleNamespace(**part)))
    assert (tmp_path / "b.h5").read_bytes() == path.read_bytes()


def test_a_null_has_no_other_kind_of_attributions(written, tmp_path):
    _, windows, tokens, found = written
    parts = [(rows, Dense(SimpleNamespace(projected=found.projected[:, rows])))
             for rows in windows.blocks(600)]  # fmt: skip
    blocks = [(windows.take(rows), tokens[rows], part) for rows, part in parts]
    write_null(tmp_path / "null.h5", blocks, L, TARGETS, {})
    write_null(tmp_path / "none.h5", [], L, TARGETS, {})
    with h5py.File(tmp_path / "null.h5") as file, h5py.File(tmp_path / "none.h5") as none:
        assert set(file) == set(none) == {"regions", "tokens", "rows", "attributions"}
        assert (file["tokens"][:] == tokens).all()
        assert file["regions/start"][:].tolist() == windows.start.tolist()
        for i, target in enumerate(TARGETS):
            assert (file[f"attributions/{target}"][:] == found.projected[i]).all()
            assert none[f"attributions/{target}"].shape == (0, L)


def test_the_summary_is_over_all_blocks(written):
    path, _, _, found = written
    table = summarise(path, TARGETS)
    assert table["target"].tolist() == TARGETS and table["n_windows"].tolist() == [N, N]
    mean, largest = found.dy.astype(float).mean(axis=1), found.deltas.max(axis=1)
    assert table["mean_abs_delta_y"].to_numpy() == pytest.approx(mean)
    assert table["max_delta"].to_numpy() == pytest.approx(largest)
    assert table["max_delta_share"].to_numpy() == pytest.approx(largest / mean)
    check_complete(table, 0.4)
    told = (
        r"target a do not add up: a convergence delta of 0\.5 .* more than 0\.3.*"
        r"set steps\.attribute\.on_incomplete: warn"
    )
    with pytest.raises(AttributionError, match=told):
        check_complete(table, 0.3)


def test_the_export_is_in_the_layout_of_chrombpnet(written, tmp_path):
    path, windows, tokens, found = written
    export_chrombpnet(path, tmp_path / "b.h5", "b")
    part = central(L, KEPT)
    one_hot = np.eye(5, 4)[tokens[:, part]].transpose(0, 2, 1)
    middle = found.hypothetical[1][:, :, part]
    with h5py.File(tmp_path / "b.h5") as file:
        assert (file["raw/seq"][:] == one_hot).all()
        np.testing.assert_allclose(file["shap/seq"][:], middle, atol=3e-3 * middle.max())
        shap = file["shap/seq"][:].astype(float)
        np.testing.assert_allclose(file["projected_shap/seq"][:], shap * one_hot, atol=1e-3)
    lines = [line.rstrip("\n").split("\t") for line in narrowpeak_lines(windows)]
    assert lines[1] == ["c", "7", "18", "w1", "0", "-", "0", "-1", "-1", "5"]
    for line, centre in zip(lines, windows.centre):
        assert len(line) == 10 and int(line[1]) + int(line[9]) == centre


@pytest.mark.parametrize("width", [4, KEPT, 99])
def test_rows_are_read_in_any_order(written, width):
    path, _, tokens, found = written
    rows = np.array([N - 1, 4, ROWS_OF_BLOCK, 9])
    one_hot, values = read_hypothetical(path, "a", rows, width)
    kept = min(width, KEPT)
    part = slice(5 - kept // 2, 5 - kept // 2 + kept)  # base 5 is the window's centre
    assert (one_hot == np.eye(5, 4)[tokens[rows, part]].transpose(0, 2, 1)).all()
    np.testing.assert_allclose(values, found.hypothetical[0][rows][:, :, part], atol=5e-3)
