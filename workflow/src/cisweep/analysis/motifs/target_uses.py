"""What each target makes of each kind of motif (a cluster, a family): shares, errors, and whether
the windows of a target have it more often than chance. Torch-free."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from cisweep.contracts import seed_of

N_PERMUTATIONS = 1_999


class Searched(Protocol):
    """The windows of one target in which motifs were looked for.

    n_windows: how many; attribution, attribution_sd: sign ("+", "-") -> mean over these windows of
    the attribution of that sign, and its standard deviation.
    """

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def n_windows(self) -> int: ...  # noqa: D102
    @property
    def attribution(self) -> dict[str, float]: ...  # noqa: D102
    @property
    def attribution_sd(self) -> dict[str, float]: ...  # noqa: D102


def uses(
    searched: Sequence[Searched],
    units: Sequence[pd.DataFrame],
    seed: int,
    purpose: str,
    n: int = N_PERMUTATIONS,
) -> pd.DataFrame:
    """Return a row for each kind, target and sign that has a place, of the targets of one model.

    Parameters: `units`, the places of each target: kind_idx (int), sign, unit (number of the window
    that has it, from 0), attribution (summed over its bases), around (all attribution of its sign
    in that window); `seed` of the run and `purpose`, from which the deals are drawn; `n` deals.

    Columns: kind_idx, model, target, sign, n_places, mean_attribution over the places, with its
    standard error; share: the places' attribution over all attribution of that sign in the searched
    windows, with the standard error of a ratio over windows. expected, z: of n_places if all
    windows were dealt to the targets at random, each with the places it has (exact mean and
    standard deviation); p_value: the share of `n` such deals, and the found one, with as many or
    more. These are missing where there is one target.
    """
    rows = pd.concat([_effects(f, u) for f, u in zip(searched, units)], ignore_index=True)
    return _against_chance(rows, units, searched, seed_of(seed, purpose, searched[0].model), n)


def _effects(f: Searched, units: pd.DataFrame) -> pd.DataFrame:
    """Return one row a kind and sign of a target, without what needs the other targets.

    All rows at once, since a table of its own for each of a hundred thousand would take minutes.
    """
    keys = ["kind_idx", "sign"]
    by_unit = units.groupby([*keys, "unit"], sort=True).agg(
        own=("attribution", "sum"), around=("around", "first")
    )
    squares = pd.DataFrame(
        {
            "own": by_unit["own"],
            "own_2": by_unit["own"] ** 2,
            "own_around": by_unit["own"] * by_unit["around"],
        }
    )
    sums = squares.groupby(keys, sort=True).sum()
    found = units.groupby(keys, sort=True)["attribution"].agg(["size", "mean", "sem"])
    found = found.reset_index().rename(
        columns={"size": "n_places", "mean": "mean_attribution", "sem": "mean_attribution_se"}
    )
    shares = [_share(f, sign, *values) for (_, sign), *values in sums.itertuples(name=None)]
    found["share"], found["share_se"] = (list(x) for x in (zip(*shares) if shares else ([], [])))
    found.insert(1, "model", f.model)
    found.insert(2, "target", f.target)
    return found.astype({"kind_idx": np.int64, "n_places": np.int64})


def _share(
    f: Searched, sign: str, own: float, own_2: float, own_around: float
) -> tuple[float, float]:
    """Return the share of attribution and its standard error, that of a ratio over windows.

    own, own_2, own_around: sums over the windows that have a place of the places' attribution
    there, its square, its product with all attribution of the sign there. Others have a
    numerator of 0, so of them mean and standard deviation of the denominator are enough.
    """
    n, mean, sd = f.n_windows, f.attribution[sign], f.attribution_sd[sign]
    total = n * mean
    if not total or n < 2:
        return np.nan, np.nan
    share = own / total
    # Sum over windows of (own - share * all of it) ** 2.
    spread = own_2 - 2 * share * own_around + share**2 * n * (sd**2 + mean**2)
    return share, float(np.sqrt(max(spread, 0.0) * n / (n - 1)) / abs(total))


def _against_chance(
    rows: pd.DataFrame,
    units: Sequence[pd.DataFrame],
    found: Sequence[Searched],
    seed: int,
    n: int,
) -> pd.DataFrame:
    """Add expected, z and p_value to the rows of one model."""
    if len(found) < 2 or not len(rows):
        return rows.assign(expected=np.nan, z=np.nan, p_value=np.nan)
    sizes = np.array([f.n_windows for f in found], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(sizes)])
    tables = [
        u[["kind_idx", "sign", "unit"]].assign(unit=u["unit"] + first[i])
        for i, u in enumerate(units)
    ]
    kinds = pd.concat(tables).groupby(["kind_idx", "sign", "unit"]).size().reset_index(name="x")
    keys: dict[tuple, int] = {}
    kind = np.array([keys.setdefault(k, len(keys)) for k in zip(kinds["kind_idx"], kinds["sign"])])
    unit, x = kinds["unit"].to_numpy(), kinds["x"].to_numpy(float)
    owner = np.repeat(np.arange(len(found)), sizes)
    shape = len(keys) * len(found)

    def counted(labels: np.ndarray) -> np.ndarray:
        return np.bincount(kind * len(found) + labels[unit], weights=x, minlength=shape)

    seen = counted(owner)
    rng = np.random.default_rng(seed)
    above = np.zeros(shape, dtype=np.int64)
    for _ in range(n):
        above += counted(rng.permutation(owner)) >= seen
    total = first[-1]
    mean = np.bincount(kind, weights=x, minlength=len(keys)) / total
    variance = np.bincount(kind, weights=x**2, minlength=len(keys)) / total - mean**2
    expected = mean[:, None] * sizes
    sd = np.sqrt(variance[:, None] * sizes * (total - sizes) / max(total - 1, 1))
    at = {f.target: i for i, f in enumerate(found)}
    cell = [
        keys[c, s] * len(found) + at[t]
        for c, s, t in zip(rows["kind_idx"], rows["sign"], rows["target"])
    ]
    p_value = (above[cell] + 1) / (n + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (seen - expected.reshape(-1)) / sd.reshape(-1)
    return rows.assign(expected=expected.reshape(-1)[cell], z=z[cell], p_value=p_value)
